//! The fuzz target of settings.

use super::*;
use crate::telemetry;

/// A password in the seeds.
const PASSWORD: &str = "hunter2";

const FILE: &str = "/etc/padan/padan.toml";

/// Reads the text of a file of settings, whose first lines may be assignments as `--set` takes them.
///
/// # Panics
///
/// When a property does not hold.
pub fn settings(data: &[u8]) {
    let input = String::from_utf8_lossy(data);
    let (assignments, text) = split(&input);
    let shown = match load_text(text, assignments.clone()) {
        Ok((settings, effective)) => {
            reads_itself(&effective);
            format!("{}{}", effective.annotated(), faults(&settings))
        }
        Err(error) => {
            let error = format!("{error:#}");
            names_what_is_wrong(&error, text, &assignments);
            error
        }
    };
    assert!(!has_password_in_url_alone(&input) || !shown.contains(PASSWORD), "a password is shown: {shown}");
}

/// The assignments before the text of the file, and that text.
fn split(input: &str) -> (Vec<Assignment>, &str) {
    const MOST_ASSIGNMENTS: usize = 3;
    let mut rest = input;
    let mut assignments = Vec::new();
    while assignments.len() < MOST_ASSIGNMENTS
        && let Some((line, after)) = rest.split_once('\n')
        && let Ok(assignment) = line.parse()
    {
        assignments.push(assignment);
        rest = after;
    }
    (assignments, rest)
}

fn load_text(text: &str, assignments: Vec<Assignment>) -> Result<(Settings, EffectiveSettings)> {
    let file = Path::new(FILE);
    merge(Some(file), Some(parse(file, text)?), assignments)
}

/// What `padan config check` finds without reading other files.
fn faults(settings: &Settings) -> String {
    // Only without a certificate, which would be read.
    let is_without_files = settings.http.tls.certificate_file.is_none();
    let http = is_without_files.then(|| settings.http.validate().map_err(|error| error.to_string()));
    let outcomes = [
        telemetry::check(&settings.log).map_err(|error| format!("{error:#}")),
        http.unwrap_or(Ok(())),
        settings.inference.validate().map_err(|error| error.to_string()),
    ];
    let faults: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    for fault in &faults {
        assert!(names_a_key(fault), "a fault names no key: {fault}");
    }
    faults.join("\n")
}

/// The settings in force, written as a file, are the same settings.
fn reads_itself(effective: &EffectiveSettings) {
    let written = toml::to_string(&effective.table);
    let again = written.map_err(anyhow::Error::from).and_then(|text| load_text(&text, Vec::new()));
    let again = again.map_err(|error| format!("{error:#}"));
    assert_eq!(again.as_ref().err(), None, "the settings in force are refused");
    if let Ok((_, again)) = again {
        let text = |effective: &EffectiveSettings| toml::to_string(&effective.table).ok();
        assert_eq!(text(&again), text(effective), "the settings in force read as others");
        assert_eq!(again.hash().ok(), effective.hash().ok());
        assert_eq!(again.changed_keys(effective), Vec::<String>::new());
    }
}

/// An error names the file or an assignment, and the line or a key.
fn names_what_is_wrong(error: &str, text: &str, assignments: &[Assignment]) {
    let mut layers = assignments.iter().map(|assignment| assignment.name.as_str()).chain([FILE]);
    assert!(layers.any(|layer| error.starts_with(layer)) || error.contains("the merged settings"), "{error}");
    let is_about_syntax = text.parse::<Table>().is_err();
    assert!(error.contains(", line ") || (!is_about_syntax && names_a_key(error)), "no key or line: {error}");
}

/// Whether a text has a name of a section or an unknown one.
fn names_a_key(text: &str) -> bool {
    let sections = DEFAULTS.parse::<Table>().unwrap_or_default();
    text.contains("unknown section `") || sections.keys().any(|name| text.contains(name.as_str()))
}

/// Whether each password follows a user's name in a URL, which is a value in one line.
fn has_password_in_url_alone(text: &str) -> bool {
    let url = format!("url = \"postgres://user:{PASSWORD}@");
    text.lines().filter(|line| line.contains(PASSWORD)).all(|line| line.starts_with(&url))
        && text.matches(PASSWORD).count() == text.matches(&url).count()
}
