//! Lists in CSV, as spreadsheet programs and editors write them.

use std::{fs, path::Path};

use csv::{Position, ReaderBuilder, StringRecord, Trim};
use padan_domain::decode_text;
use serde::de::DeserializeOwned;

use crate::label_error::LabelError;

/// A list with a header: in UTF-8 or UTF-16, separated by commas, semicolons or tabs.
#[derive(Debug)]
pub struct CsvList {
    /// The names of the columns, in lower case.
    pub header: StringRecord,
    /// The rows that are not empty.
    pub rows: Vec<CsvRow>,
}

/// A row of a list.
#[derive(Debug)]
pub struct CsvRow {
    /// Its line in the file, from 1.
    pub line: u64,
    /// Its fields, at most as many as the header has.
    pub record: StringRecord,
}

/// What separates the fields of a list, the most usual first.
const DELIMITERS: [char; 3] = [',', ';', '\t'];

impl CsvList {
    /// Reads a list. Empty rows, and empty fields beyond the header's, are dropped: spreadsheet programs write them.
    ///
    /// # Errors
    ///
    /// [`LabelError`] when the file cannot be read, is not text, or has a row that does not fit to the header.
    pub fn read(file: &Path) -> Result<Self, LabelError> {
        let bytes =
            fs::read(file).map_err(|source| LabelError::Unreadable { location: file.into(), source })?;
        let malformed = |reason: String| LabelError::Malformed { location: file.into(), reason };
        let text = decode_text(&bytes).map_err(|error| malformed(error.to_string()))?;
        Self::parse(&text).map_err(malformed)
    }

    /// The position of a column.
    ///
    /// # Errors
    ///
    /// [`LabelError::Malformed`], with the names of the columns, when `file` has no such column.
    pub fn column(&self, name: &str, file: &Path) -> Result<usize, LabelError> {
        self.header.iter().position(|found| found == name).ok_or_else(|| {
            let columns = self.header.iter().collect::<Vec<_>>().join(", ");
            let reason = format!("there is no column `{name}`; the columns are: {columns}");
            LabelError::Malformed { location: file.into(), reason }
        })
    }

    /// Parses the list's text. The error says what is wrong.
    fn parse(text: &str) -> Result<Self, String> {
        // Programs of CP/M and DOS end a text with this character.
        let text = text.trim_end_matches(|end: char| end == '\u{1a}' || end.is_whitespace());
        let Preamble { delimiter, text, lines } = Preamble::of(text);
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter as u8)
            .trim(Trim::All)
            .flexible(true)
            .from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| error.to_string())?;
        let header: StringRecord = header.iter().map(str::to_lowercase).collect();
        let repeated = |(at, name): &(usize, &str)| {
            !name.is_empty() && header.iter().take(*at).any(|earlier| earlier == *name)
        };
        if let Some((_, name)) = header.iter().enumerate().find(repeated) {
            return Err(format!("there are two columns `{name}`"));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let mut record = record.map_err(|error| error.to_string())?;
            let line = lines + record.position().map_or(0, |position| line_of(text, position));
            if record.iter().all(str::is_empty) {
                continue;
            }
            if record.iter().any(|field| field.contains('\n')) {
                return Err(format!("line {line}: a field has several lines; is a quotation mark missing?"));
            }
            if record.iter().skip(header.len()).any(|field| !field.is_empty()) {
                let (found, expected) = (record.len(), header.len());
                return Err(format!(
                    "line {line}: {found} fields, but the header has {expected}; a field that contains \
                     {delimiter:?} must be in quotation marks"
                ));
            }
            record.truncate(header.len());
            rows.push(CsvRow { line, record });
        }
        Ok(Self { header, rows })
    }
}

/// The rows of a list, each with its line. In every row, the `required` columns must not be empty.
pub(crate) fn rows<T: DeserializeOwned>(list: &Path, required: &[&str]) -> Result<Vec<(u64, T)>, LabelError> {
    let csv = CsvList::read(list)?;
    let required = required.iter().map(|name| Ok((csv.column(name, list)?, *name)));
    let required: Vec<_> = required.collect::<Result<_, LabelError>>()?;
    let parse = |CsvRow { line, record }: &CsvRow| {
        let malformed = |reason: String| LabelError::Malformed { location: list.into(), reason };
        let is_empty = |column: usize| record.get(column).is_none_or(str::is_empty);
        if let Some((_, name)) = required.iter().find(|(column, _)| is_empty(*column)) {
            return Err(malformed(format!("line {line}: the column {name} is empty")));
        }
        let row = record.deserialize(Some(&csv.header));
        Ok((*line, row.map_err(|error| malformed(format!("line {line}: {error}")))?))
    };
    csv.rows.iter().map(parse).collect()
}

/// The part of a list that says how its fields are separated, and the text after it.
struct Preamble<'a> {
    delimiter: char,
    /// The list from its header on.
    text: &'a str,
    /// The number of lines before the header.
    lines: u64,
}

impl<'a> Preamble<'a> {
    fn of(text: &'a str) -> Self {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        // Excel reads such a line, and some programs write it.
        let declared = first.trim().trim_matches('"').strip_prefix("sep=").map(|end| end.chars().next());
        if let Some(delimiter) = declared {
            let delimiter = delimiter.filter(|delimiter| DELIMITERS.contains(delimiter)).unwrap_or('\t');
            return Self { delimiter, text: rest, lines: 1 };
        }
        let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        // The last of several maxima is taken, hence the order.
        let delimiter = DELIMITERS.into_iter().rev().max_by_key(|delimiter| unquoted(header, *delimiter));
        Self { delimiter: delimiter.unwrap_or(','), text, lines: 0 }
    }
}

/// How often a character is outside quotation marks.
fn unquoted(line: &str, wanted: char) -> usize {
    line.split('"').step_by(2).map(|outside| outside.matches(wanted).count()).sum()
}

/// The line of a record. The reader's own count ends before the empty lines that precede the record.
fn line_of(text: &str, position: &Position) -> u64 {
    let before = text.as_bytes().get(position.byte() as usize..).unwrap_or_default();
    position.line() + before.iter().take_while(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(text: &str) -> Vec<Vec<String>> {
        let list = CsvList::parse(text).unwrap();
        let record = |record: &StringRecord| record.iter().map(str::to_owned).collect();
        std::iter::once(&list.header).chain(list.rows.iter().map(|row| &row.record)).map(record).collect()
    }

    fn error(text: &str) -> String {
        CsvList::parse(text).unwrap_err()
    }

    #[test]
    fn commas_semicolons_tabs_and_a_declared_separator_are_the_same_list() {
        let expected = [["path", "identity"], ["a,b.jpg", "ann"]];
        for text in [
            "path,identity\n\"a,b.jpg\",ann\n",
            "Path ; Identity\na,b.jpg; ann \n",
            "path\tidentity\na,b.jpg\tann",
            "sep=;\npath;identity\na,b.jpg;ann\n",
            "\"sep=;\"\n\"path\";\"identity\"\n\"a,b.jpg\";\"ann\"\n",
            "\n\npath;identity;\n;;\n\na,b.jpg;ann;;\n;\n",
            "path;identity\r\na,b.jpg;ann\r\n\u{1a}",
            "path;identity\r\na,b.jpg;ann\r\n\u{1a}\r\n",
        ] {
            let found: Vec<Vec<_>> = fields(text)
                .into_iter()
                .map(|row| row.into_iter().filter(|f| !f.is_empty()).collect())
                .collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn a_row_that_does_not_fit_is_refused_with_its_line() {
        assert_eq!(
            error("path,identity\n\n\na,b.jpg,ann\n"),
            "line 4: 3 fields, but the header has 2; a field that contains ',' must be in quotation marks"
        );
        assert!(error("sep=,\npath,identity\na,b,c\n").starts_with("line 3: 3 fields"));
        assert!(
            error("path,identity\n\"a.jpg,ann\nb.jpg,bob\n").starts_with("line 2: a field has several lines")
        );
        assert_eq!(error("path,Path\n"), "there are two columns `path`");
    }

    #[test]
    fn a_missing_column_is_named_beside_the_existing_ones() {
        let list = CsvList::parse("path|identity\na.jpg|ann\n").unwrap();
        let error = list.column("path", Path::new("list.csv")).unwrap_err().to_string();
        assert_eq!(error, "list.csv: there is no column `path`; the columns are: path|identity");
        assert_eq!(CsvList::parse("").unwrap().header.len(), 0);
    }

    proptest! {
        #[test]
        fn every_row_is_read_at_its_line(
            rows in prop::collection::vec((0_usize..3, "[a-z ,;\t]{1,9}[a-z]", "[a-z]{1,5}"), 1..9),
            delimiter in prop::sample::select(DELIMITERS.to_vec()),
        ) {
            let mut text = format!("path{delimiter}identity\n");
            let mut expected = Vec::new();
            for (empty_lines, path, identity) in &rows {
                text += &"\n".repeat(*empty_lines);
                let line = text.matches('\n').count() as u64 + 1;
                text.extend(["\"", path, "\"", &delimiter.to_string(), identity, "\n"]);
                expected.push((line, path.trim().to_owned(), identity.clone()));
            }
            let list = CsvList::parse(&text).unwrap();
            let found: Vec<_> =
                list.rows.iter().map(|row| (row.line, row.record[0].to_owned(), row.record[1].to_owned())).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
