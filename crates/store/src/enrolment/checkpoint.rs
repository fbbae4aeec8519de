use padan_domain::NikPrefix;

use crate::error::StoreError;

/// How far ranges have been assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last prefix of the last assigned range; `None` before the first range.
    pub reached: Option<NikPrefix>,
}

impl Checkpoint {
    pub(super) fn text(&self) -> String {
        self.reached.as_ref().map_or("", NikPrefix::as_str).to_owned()
    }
}

impl TryFrom<String> for Checkpoint {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        if text.is_empty() {
            return Ok(Self { reached: None });
        }
        let reached = text
            .parse()
            .map_err(|_| StoreError::Inconsistent { table: "store.enrolment_run", column: "reached" })?;
        Ok(Self { reached: Some(reached) })
    }
}
