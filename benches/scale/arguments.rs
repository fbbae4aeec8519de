use std::path::PathBuf;

use clap::{Parser, Subcommand};
use padan_domain::ModelContractId;

/// Fill registries and stores with generated people, and measure look-ups in them
#[derive(Debug, Parser)]
#[command(name = "padan-scale")]
pub(crate) struct Arguments {
    /// A superuser's URL of a database on the server, as `padan-demo cluster` gives it
    #[arg(long, env = "PADAN_TEST_DATABASE_URL", hide_env_values = true)]
    pub(crate) server: String,
    /// The folder for the figures, as JSON
    #[arg(long, value_name = "DIR", default_value = "benches/out")]
    pub(crate) out: PathBuf,
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// A subcommand.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Create and fill the databases `registry_N` and `store_N` for each number of people
    Fill {
        /// Numbers of people
        #[arg(required = true)]
        sizes: Vec<usize>,
        /// The model contract of the templates, where a program is to use them
        #[arg(long, value_name = "ID")]
        contract: Option<ModelContractId>,
    },
    /// Measure several sites alternately; ratios refer to the first one
    Measure {
        /// The name of the file of figures
        #[arg(long, default_value = "scale.json")]
        file: String,
        /// The rest of the databases' names after `registry_` and `store_`: a number of people and an optional suffix
        #[arg(required = true)]
        sites: Vec<String>,
    },
}
