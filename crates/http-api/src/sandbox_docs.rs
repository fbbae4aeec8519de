//! The table of the sandbox as text, for the OpenAPI document and `docs/clients.md`.

use padan_domain::Endpoint;
use padan_verification::{TEST_CASES, TestCase};

use crate::{endpoints::AUDITED, status::status_of};

/// What the OpenAPI document says of the sandbox.
pub(crate) fn section() -> String {
    let (name, date_of_birth) = (TestCase::NAME, TestCase::DATE_OF_BIRTH);
    format!(
        "## Sandbox\n\n\
         The operator may give a programmer the credentials of a sandbox client. Its requests are answered from the table \
         below, never from the registry or by a face engine, are not counted in a quota, and carry `Sandbox: true`. No \
         other client gets such an answer, whatever NIK it sends. All test people are called `{name}` and were born on \
         `{date_of_birth}`; another name or date differs, as it does for other people. The NIK chooses the answer of the \
         endpoints that take one, and the size of the photo in pixels (of `captured_image` for face match) that of the \
         others. A photo is decoded as always, and may show anything. Any other NIK is `NIK_NOT_FOUND`, and a photo \
         of any other size is `MATCH` or `SPOOF_LOW`. Where an endpoint does not have the answer of a line, the person \
         matches.\n\n{}",
        table()
    )
}

/// A line for each test person and photo.
pub(crate) fn table() -> String {
    let head = "| NIK | size of the photo | Reason-Code | status | endpoints |\n|---|---|---|---|---|";
    let rows = TEST_CASES.iter().map(row);
    std::iter::once(head.to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
}

fn row(case: &TestCase) -> String {
    let nik = case.nik().map_or_else(|| "-".to_owned(), |nik| format!("`{nik}`"));
    let photo = case.photo().map_or_else(|| "-".to_owned(), |(width, height)| format!("{width}x{height}"));
    let (reason, status) = (case.reason, status_of(case.reason).as_u16());
    format!("| {nik} | {photo} | `{reason}` | {status} | {} |", endpoints(case.endpoints))
}

fn endpoints(endpoints: &[Endpoint]) -> String {
    if endpoints.len() == AUDITED.len() {
        return "all".to_owned();
    }
    endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use padan_domain::ReasonCode;

    use super::*;

    /// The reasons that a sandbox client gets as every client does: by what it sends, before a person is looked up.
    const BY_THE_REQUEST: [ReasonCode; 15] = [
        ReasonCode::MalformedForm,
        ReasonCode::MissingField,
        ReasonCode::InvalidNik,
        ReasonCode::InvalidName,
        ReasonCode::InvalidDob,
        ReasonCode::InvalidField,
        ReasonCode::UnsupportedImage,
        ReasonCode::Unauthorized,
        ReasonCode::Forbidden,
        ReasonCode::MethodNotAllowed,
        ReasonCode::RequestTimeout,
        ReasonCode::BodyTooLarge,
        ReasonCode::HeadersTooLarge,
        ReasonCode::UnsupportedMediaType,
        ReasonCode::TooManyFailures,
    ];

    #[test]
    fn every_other_answer_of_every_endpoint_is_in_the_table() {
        for audited in AUDITED {
            let in_table = TEST_CASES.iter().filter(|case| case.endpoints.contains(&audited.endpoint));
            let in_table: BTreeSet<_> = in_table.map(|case| case.reason.as_str()).collect();
            let docs = (audited.docs)();
            let others = docs.all_reasons().filter(|reason| !BY_THE_REQUEST.contains(reason));
            let others: BTreeSet<_> = others.map(ReasonCode::as_str).collect();
            assert_eq!(in_table, others, "{}", audited.endpoint);
        }
    }

    #[test]
    fn the_page_for_clients_has_the_table() {
        let page = include_str!("../../../docs/clients.md");
        assert!(page.contains(&table()), "docs/clients.md lacks this table:\n{}", table());
        for text in [TestCase::NAME, TestCase::DATE_OF_BIRTH] {
            assert!(page.contains(&format!("`{text}`")), "{text}");
        }
    }
}
