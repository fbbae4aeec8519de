use std::{
    fmt::Display,
    io::{self, Write as _},
};

use anyhow::Result;

/// What was looked at works.
pub(super) struct Sound {
    pub(super) said: String,
    /// What deserves a look all the same.
    pub(super) but: Vec<String>,
}

impl Sound {
    pub(super) fn but(self, more: impl IntoIterator<Item = String>) -> Self {
        let but = self.but.into_iter().chain(more).collect();
        Self { but, ..self }
    }
}

impl<T: Display> From<T> for Sound {
    fn from(said: T) -> Self {
        Self { said: said.to_string(), but: Vec::new() }
    }
}

/// The lines on stdout.
#[derive(Default)]
pub(super) struct Report {
    pub(super) failed: bool,
}

impl Report {
    pub(super) fn line(&mut self, what: &str, outcome: Result<impl Into<Sound>, impl Display>) -> Result<()> {
        let (verdict, said) = match outcome.map(Into::into) {
            Ok(Sound { said, but }) if but.is_empty() => ("ok", said),
            Ok(Sound { said, but }) => ("warn", format!("{said}; but {}", but.join("; but "))),
            Err(said) => {
                self.failed = true;
                ("FAIL", said.to_string())
            }
        };
        writeln!(io::stdout().lock(), "{verdict:<5} {what:<9} {said}")?;
        Ok(())
    }
}
