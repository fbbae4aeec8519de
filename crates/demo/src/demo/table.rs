use std::{
    env,
    fmt::Write as _,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{
    exchange::{Answer, CREDENTIAL, Exchange},
    request_data::RequestData,
};

/// Prints a line for each exchange and returns whether all answers are as documented.
pub(super) fn print(rows: &[(Exchange, Answer)]) -> Result<bool> {
    let mut text = String::new();
    writeln!(text, "{:<3}{:<26}{:<8}{:>6}   answer", "", "request", "status", "ms")?;
    for (number, (exchange, answer)) in rows.iter().enumerate() {
        let milliseconds = answer.time.as_secs_f64() * 1e3;
        let mark = if answer.deviation.is_some() { "  <- not as documented" } else { "" };
        writeln!(
            text,
            "{:<3}{:<26}{:<8}{milliseconds:>6.1}   {}{mark}",
            number + 1,
            exchange.title,
            answer.status,
            summary(&answer.body),
        )?;
    }
    let deviations: Vec<_> = rows
        .iter()
        .enumerate()
        .filter_map(|(number, (_, answer))| Some((number + 1, answer, answer.deviation.as_ref()?)))
        .collect();
    if deviations.is_empty() {
        writeln!(text, "\nAll {} answers are as documented.", rows.len())?;
    } else {
        writeln!(text, "\n{} of {} answers are not as documented:", deviations.len(), rows.len())?;
        for (number, answer, deviation) in &deviations {
            writeln!(text, "{number}: {deviation}\n   found {} {}", answer.status, answer.body)?;
        }
    }
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(deviations.is_empty())
}

/// The reason and the percentage, or the beginning of a body that is not the service's.
fn summary(body: &str) -> String {
    let Ok(parsed) = serde_json::from_str::<serde_json::Value>(body) else {
        return body.chars().take(80).collect();
    };
    let Some(reason) = parsed["reason"].as_str() else {
        return body.chars().take(80).collect();
    };
    match &parsed["result"]["face_image_percentage"] {
        serde_json::Value::Number(percentage) => format!("{reason}, {percentage} %"),
        _ => reason.to_owned(),
    }
}

/// Prints the service's URLs and credentials, and a command line that sends a request.
pub(super) fn print_usage(data: &RequestData<'_>, port: u16, admin_port: u16, settings: &Path) -> Result<()> {
    let person = data.person;
    // The program lies beside this one.
    let program = PathBuf::from(env::args_os().next().unwrap_or_default()).with_file_name("padan");
    let program = program.display();
    let text = format!(
        "\nPadan serves at http://127.0.0.1:{port}, for operators at http://127.0.0.1:{admin_port}/readyz.\n\
         User name {CREDENTIAL}, password {CREDENTIAL}, x-api-key {CREDENTIAL}. Documentation: \
         http://127.0.0.1:{port}/docs\n\n\
         curl -u {CREDENTIAL}:{CREDENTIAL} -H 'x-api-key: {CREDENTIAL}' --form-string nik={} --form-string {} \
         --form-string date_of_birth={} -F {} http://127.0.0.1:{port}/identity/v1/face-verification\n\n\
         What to try next, in another terminal:\n\
         - send that request, then with another name, another date or a photo of your own;\n\
         - see what was recorded of it: {program} audit export --config {settings}\n\
         - check the installation: {program} doctor --config {settings}\n\
         - read docs/README.md: what else there is, by reader.\n\
         Each request appears below. Ctrl-C ends the demo.\n\n",
        person.nik.as_str(),
        quoted(&format!("name={}", person.name)),
        person.date_of_birth.format("%d-%m-%Y"),
        quoted(&format!("face_image=@\"{}\"", data.selfie.display())),
        settings = settings.display(),
    );
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Says where the console is and how to sign in.
pub(super) fn print_console(admin_port: u16, name: &str, password: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\nThe console in the browser: http://127.0.0.1:{admin_port}/console/\n\
         Account {name}, password {password}"
    )?;
    out.flush()?;
    Ok(())
}

/// Quotes a word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apostrophe_is_quoted_for_the_shell() {
        assert_eq!(quoted("name=Ma'ruf"), r"'name=Ma'\''ruf'");
    }

    #[test]
    fn an_answer_is_summarised_by_reason_and_percentage() {
        let body = r#"{"reason":"Verification Success","result":{"face_image_percentage":82.04}}"#;
        assert_eq!(summary(body), "Verification Success, 82.04 %");
        assert_eq!(summary(r#"{"reason":"Invalid NIK number format"}"#), "Invalid NIK number format");
        assert_eq!(summary("<html>"), "<html>");
    }
}
