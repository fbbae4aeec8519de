use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Fill registries and stores with generated people, and measure look-ups in them
#[derive(Debug, Parser)]
#[command(name = "padan-scale")]
pub(crate) struct Arguments {
    /// A superuser's URL of a database on the server, as `padan cluster` gives it
    #[arg(long, env = "PADAN_TEST_DATABASE_URL", hide_env_values = true)]
    pub(crate) server: String,
    /// Where the figures are written, as JSON
    #[arg(long, value_name = "DIR", default_value = "benches/out")]
    pub(crate) out: PathBuf,
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// What is done.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Make the databases `registry_N` and `store_N` for each number of people
    Fill {
        /// Numbers of people
        #[arg(required = true)]
        sizes: Vec<usize>,
    },
    /// Measure sites in turn; ratios are to the first one
    Measure {
        /// The name of the file of figures
        #[arg(long, default_value = "scale.json")]
        file: String,
        /// What follows `registry_` and `store_` in the databases' names: a number of people, and what else tells them apart
        #[arg(required = true)]
        sites: Vec<String>,
    },
}
