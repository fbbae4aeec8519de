//! The exit codes of all commands: [`ExitStatus`] has the numbers, [`BY_COMMAND`] what they stand for in a command.
//!
//! The help of each command, its manual page and docs/reference.md show both.

use std::{fmt::Write as _, process::ExitCode};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// The command has done what it was asked to do, and what it examined is in order.
    Success,
    /// The command could not do its work, or what it examined is not in order.
    Failure,
    /// The command line was not understood.
    WrongUsage,
    /// A photo cannot be used.
    UnusablePhoto,
    /// Nothing was compared.
    NotCompared,
    /// Nothing was changed, because the answer to the question was not yes, or because nobody could be asked.
    NotConfirmed,
    /// A service answers, and is not ready for requests.
    NotReady,
    /// No service answers.
    NoService,
    /// Nobody read the output any more.
    BrokenPipe,
    /// 128 plus the number of the signal that ended a command.
    Other(u8),
}

impl ExitStatus {
    /// The statuses with a number of their own.
    #[cfg(test)]
    const NUMBERED: [Self; 9] = [
        Self::Success,
        Self::Failure,
        Self::WrongUsage,
        Self::UnusablePhoto,
        Self::NotCompared,
        Self::NotConfirmed,
        Self::NotReady,
        Self::NoService,
        Self::BrokenPipe,
    ];

    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::WrongUsage => 2,
            Self::UnusablePhoto => 3,
            Self::NotCompared => 4,
            Self::NotConfirmed => 5,
            Self::NotReady => 6,
            Self::NoService => 7,
            Self::BrokenPipe => 141,
            Self::Other(code) => code,
        }
    }

    /// Success if this is so, else failure.
    pub(crate) fn success_if(is_in_order: bool) -> Self {
        if is_in_order { Self::Success } else { Self::Failure }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// What a status stands for in a command, where it says more than the status itself.
pub(crate) const BY_COMMAND: &[(&str, ExitStatus, &str)] = &[
    ("serve", ExitStatus::Success, "the service was stopped and has answered all requests in flight"),
    ("compare", ExitStatus::Success, "the faces match"),
    ("compare", ExitStatus::Failure, "the faces do not match"),
    ("compare", ExitStatus::UnusablePhoto, "a photo cannot be used, or its path is empty"),
    ("compare", ExitStatus::NotCompared, "nothing was compared: an error in models, runtime or settings"),
    ("name", ExitStatus::Success, "the names match"),
    ("name", ExitStatus::Failure, "the names do not match; or an error"),
    ("config check", ExitStatus::Failure, "the settings have a fault"),
    ("doctor", ExitStatus::Success, "all checks passed, some perhaps with a warning"),
    ("doctor", ExitStatus::Failure, "a check failed"),
    (
        "client rotate",
        ExitStatus::NotConfirmed,
        "nothing was changed: the answer was not yes, or nobody could be asked",
    ),
    (
        "client disable",
        ExitStatus::NotConfirmed,
        "nothing was changed: the answer was not yes, or nobody could be asked",
    ),
    (
        "client remove",
        ExitStatus::NotConfirmed,
        "nothing was changed: the answer was not yes, or nobody could be asked",
    ),
    (
        "operator rotate",
        ExitStatus::NotConfirmed,
        "nothing was changed: the answer was not yes, or nobody could be asked",
    ),
    (
        "operator remove",
        ExitStatus::NotConfirmed,
        "nothing was changed: the answer was not yes, or nobody could be asked",
    ),
    ("enroll", ExitStatus::Success, "all people were processed without a failure"),
    (
        "enroll",
        ExitStatus::Failure,
        "it was stopped, a person failed, or templates of absent people remain; or an error",
    ),
    (
        "templates prune",
        ExitStatus::NotConfirmed,
        "nothing was deleted: the answer was not yes, or nobody could be asked",
    ),
    ("keys rotate", ExitStatus::Success, "every template is encrypted with the first key"),
    (
        "keys rotate",
        ExitStatus::Failure,
        "some templates could not be decrypted and stay as they are; or an error",
    ),
    ("audit verify", ExitStatus::Success, "the audit trail is intact"),
    ("audit verify", ExitStatus::Failure, "the audit trail was changed; or an error"),
    ("audit prune", ExitStatus::Failure, "a month stays although it is old enough; or an error"),
    (
        "audit prune",
        ExitStatus::NotConfirmed,
        "nothing was deleted: the answer was not yes, or nobody could be asked",
    ),
    ("person forget", ExitStatus::Failure, "some rows identify the person still; or an error"),
    (
        "person forget",
        ExitStatus::NotConfirmed,
        "nothing was erased: the answer was not yes, or nobody could be asked",
    ),
    (
        "models activate",
        ExitStatus::NotConfirmed,
        "nothing was changed: the answer was not yes, or nobody could be asked",
    ),
    (
        "models verify",
        ExitStatus::Failure,
        "a digest is wrong, a file of SET is missing, or no model set is complete",
    ),
    ("status", ExitStatus::Success, "the service is ready"),
    ("status", ExitStatus::NotReady, "the service answers, and is not ready for requests"),
    ("status", ExitStatus::NoService, "no service answers at this address"),
];

/// The exit codes of a command, such as `audit verify`, as a part of its help.
pub(crate) fn help_of(command: &str) -> String {
    let own = BY_COMMAND.iter().filter(|(of, _, _)| *of == command);
    let mut lines: Vec<_> = own.map(|(_, status, meaning)| (status.code(), *meaning)).collect();
    for (code, meaning) in [(0, "success"), (1, "an error"), (2, "the command line was not understood")] {
        if !lines.iter().any(|(known, _)| *known == code) {
            lines.push((code, meaning));
        }
    }
    lines.sort_unstable();
    lines.iter().fold("Exit codes:".to_owned(), |mut text, (code, meaning)| {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {code}  {meaning}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_status_has_a_code_of_its_own() {
        let codes: HashSet<_> = ExitStatus::NUMBERED.map(ExitStatus::code).into_iter().collect();
        assert_eq!(codes.len(), ExitStatus::NUMBERED.len());
    }

    #[test]
    fn a_command_has_the_common_codes_and_its_own() {
        assert_eq!(
            help_of("name"),
            "Exit codes:\n  0  the names match\n  1  the names do not match; or an error\n  \
             2  the command line was not understood"
        );
        assert!(help_of("usage").contains("\n  1  an error\n"));
        assert!(help_of("status").ends_with("\n  7  no service answers at this address"));
    }
}
