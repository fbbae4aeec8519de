use padan_domain::NikPrefix;
use padan_store::{AbsentPeople, RemovalLimit};

use crate::enrolment::{Enrolment, EnrolmentError};

/// How the removal of templates ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// All templates were compared with the registry.
    Compared(AbsentPeople),
    /// The role may not delete templates, so nothing was compared.
    NotPermitted,
    /// It was stopped, and removed nothing.
    Stopped,
}

/// People that one statement reads: only their NIKs, so more than in one batch of work.
const PAGE: u32 = 5000;

impl Enrolment {
    /// Removes the templates of people who have left the registry, whose record is no longer active, or whose portrait
    /// was withdrawn. Reads the NIKs of the whole registry once.
    ///
    /// # Errors
    ///
    /// [`EnrolmentError`] when a database does not answer for longer than the settings allow, or breaks its contract.
    pub async fn remove_absent_people(&self, limit: RemovalLimit) -> Result<Removal, EnrolmentError> {
        match self.compare_with_registry(limit).await {
            Err(EnrolmentError::Stopped) => Ok(Removal::Stopped),
            compared => compared,
        }
    }

    async fn compare_with_registry(&self, limit: RemovalLimit) -> Result<Removal, EnrolmentError> {
        let Self { registry, store, config, .. } = self;
        if !self.retrying(async || Ok(store.templates().may_delete().await?)).await? {
            return Ok(Removal::NotPermitted);
        }
        let mut present = self.retrying(async || Ok(store.templates().present_people().await?)).await?;
        let mut reached: Option<NikPrefix> = None;
        let people = config.range_people.get();
        while let Some(range) =
            self.retrying(async || Ok(registry.next_range(reached.as_ref(), people).await?)).await?
        {
            let mut last = None;
            loop {
                if self.is_stopped() {
                    return Ok(Removal::Stopped);
                }
                let page =
                    self.retrying(async || Ok(registry.roster(&range, last.as_ref(), PAGE).await?)).await?;
                let Some(end) = page.last() else { break };
                last = Some(end.nik.clone());
                for entry in &page {
                    present.add(&entry.nik)?;
                }
            }
            reached = Some(range.last);
        }
        // Not retried: it takes over the list, and a next run does it again.
        Ok(Removal::Compared(store.templates().remove_absent_people(present, limit).await?))
    }
}
