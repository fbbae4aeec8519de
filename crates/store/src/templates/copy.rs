//! Templates in PostgreSQL's binary COPY format, to fill an empty table.

use padan_domain::{ModelContractId, NationalId};

use crate::{
    error::StoreError,
    handles::Templates,
    templates::{StoredTemplate, TemplateRow},
};

/// Rows of `store.face_template` for one model contract, encrypted as by the service.
///
/// For bulk loads, such as a store of a given size for measurements. The service and enrolment use
/// [`Templates::save_all`], which respects existing rows.
#[derive(Debug)]
pub struct TemplateCopy {
    templates: Templates,
    contract: ModelContractId,
    bytes: Vec<u8>,
}

/// The signature of the format, without flags and extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The end, in place of a number of fields.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// A null, in place of a field's length.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// PostgreSQL counts microseconds since 2000, chrono since 1970.
const MICROSECONDS_TO_2000: i64 = 946_684_800_000_000;

impl TemplateCopy {
    /// The statement that reads the bytes. It must run in the transaction that truncated the table.
    pub const STATEMENT: &str = "COPY store.face_template
        (person_key, contract_id, portrait_updated_at, key_id, sealed, unusable_reason, decoder_version,
         covered)
        FROM STDIN (FORMAT binary, FREEZE)";

    /// A copy without rows.
    pub fn new(templates: &Templates, contract: &ModelContractId) -> Self {
        Self { templates: templates.clone(), contract: contract.clone(), bytes: HEADER.to_vec() }
    }

    /// Adds a person's template. A person may be added once: the primary key refuses a second row.
    ///
    /// # Errors
    ///
    /// When the template cannot be encrypted.
    pub fn add(&mut self, nik: &NationalId, template: &StoredTemplate) -> Result<(), StoreError> {
        let id = self.templates.0.template_id(nik, &self.contract)?;
        let row = TemplateRow::seal(template, &id, self.templates.0.template_keys()?)?;
        let moment = row.portrait_updated_at.timestamp_micros() - MICROSECONDS_TO_2000;
        self.bytes.extend(8_i16.to_be_bytes());
        self.field(Some(&id.person));
        self.field(Some(id.contract.as_bytes()));
        self.field(Some(&moment.to_be_bytes()));
        self.field(row.key_id.as_deref().map(str::as_bytes));
        self.field(row.sealed.as_deref());
        self.field(row.unusable_reason.as_deref().map(str::as_bytes));
        self.field(Some(&row.decoder_version.to_be_bytes()));
        self.field(row.covered.map(|covered| [u8::from(covered)]).as_ref().map(<[u8; 1]>::as_slice));
        Ok(())
    }

    /// The bytes that were added since the last call, to be sent in this order.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// The last bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend(TRAILER);
        self.bytes
    }

    fn field(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => {
                // The length fits: a template has a few hundred bytes.
                self.bytes.extend((value.len() as u32).to_be_bytes());
                self.bytes.extend(value);
            }
            None => self.bytes.extend(NULL),
        }
    }
}
