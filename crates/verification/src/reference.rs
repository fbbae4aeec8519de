use std::{sync::atomic::Ordering, time::Instant};

use chrono::{DateTime, Utc};
use padan_domain::{Embedding, NationalId, Photo};
use padan_inference::{DECODER_VERSION, Engine, FaceError, PhotoFault};
use padan_registry::Portrait;
use padan_store::{StoreError, StoredTemplate, TemplateContent};
use tracing::info_span;

use crate::{
    deadline::{engine_error, within},
    error::{Cause, VerificationError},
    timing::{StepTimings, timed},
    verifier::Verifier,
};

impl Verifier {
    /// The person's reference embedding; `None` when the registry has no portrait or none with a usable face.
    ///
    /// The stored template is used as long as the registry's portrait has not changed since. Otherwise, and when it
    /// cannot be read, a template is made of the portrait and stored. An unusable portrait is stored as such, so that
    /// it is analysed only once by each version of the decoder.
    pub(crate) async fn reference(
        &self,
        engine: &Engine,
        nik: &NationalId,
        portrait_updated_at: Option<DateTime<Utc>>,
        deadline: Instant,
        timings: &mut StepTimings,
    ) -> Result<Option<Embedding>, VerificationError> {
        let Some(portrait_updated_at) = portrait_updated_at else {
            return Ok(None);
        };
        let templates = self.parts.store.templates();
        let lookup = within(deadline, templates.get(nik, engine.contract()));
        let stored = timed(&mut timings.template, info_span!("template"), lookup)
            .await
            .or_else(|cause| self.ignore_unreadable(cause))?;
        match stored {
            Some(stored)
                if stored.portrait_updated_at == portrait_updated_at
                    && !stored.may_become_usable(DECODER_VERSION) =>
            {
                Ok(usable(stored.content))
            }
            Some(_) | None => self.enrol(engine, nik, deadline, timings).await,
        }
    }

    /// Treats a template that cannot be read as missing: its key was lost or is not configured, or the row is damaged.
    /// The registry still has the portrait, and a new template costs less than a refused person.
    fn ignore_unreadable(&self, cause: Cause) -> Result<Option<StoredTemplate>, VerificationError> {
        match cause.downcast_ref::<StoreError>() {
            Some(fault @ (StoreError::UnknownKey(_) | StoreError::Inconsistent { .. })) => {
                tracing::warn!("a face template is made again: {fault}");
                self.unreadable_templates.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
            Some(_) | None => Err(VerificationError::StoreUnavailable(cause)),
        }
    }

    /// Makes a template of the portrait and stores it. The portrait may have changed or disappeared since the person
    /// was looked up: the current one is used, with its own time.
    async fn enrol(
        &self,
        engine: &Engine,
        nik: &NationalId,
        deadline: Instant,
        timings: &mut StepTimings,
    ) -> Result<Option<Embedding>, VerificationError> {
        let fetch = within(deadline, self.parts.registry.portrait(nik));
        let portrait = timed(&mut timings.portrait, info_span!("portrait"), fetch)
            .await
            .map_err(VerificationError::RegistryUnavailable)?;
        let Some(portrait) = portrait else {
            return Ok(None);
        };
        let template = StoredTemplate {
            portrait_updated_at: portrait.updated_at,
            content: timed(
                &mut timings.enrolment,
                info_span!("enrolment"),
                template_of(engine, portrait, deadline),
            )
            .await?,
            decoder_version: DECODER_VERSION,
        };
        // A store that cannot be written to is an outage: if the error were ignored, every request would embed the
        // portrait again, and the outage would stay hidden.
        let templates = self.parts.store.templates();
        let save = templates.save(nik, engine.contract(), &template);
        timed(&mut timings.keeping, info_span!("keeping"), within(deadline, save))
            .await
            .map_err(VerificationError::StoreUnavailable)?;
        Ok(usable(template.content))
    }
}

/// Makes a template of a portrait: its embedding, or the reason why it has none. The analysis does not depend on the
/// time left, so that a template does not depend on load; after the deadline there is no template.
///
/// # Errors
///
/// [`VerificationError`] when the engine is full, fails, or does not finish before the deadline.
pub(crate) async fn template_of(
    engine: &Engine,
    portrait: Portrait,
    deadline: Instant,
) -> Result<TemplateContent, VerificationError> {
    let unusable = |fault: PhotoFault| TemplateContent::Unusable(fault.reason().as_str().to_owned());
    let Some(bytes) = portrait.bytes else {
        return Ok(unusable(PhotoFault::TooLarge));
    };
    let Ok(photo) = Photo::try_from(bytes) else {
        return Ok(unusable(PhotoFault::Unreadable));
    };
    match within(deadline, engine.reference(photo, deadline)).await {
        Ok(analysis) => {
            Ok(TemplateContent::Usable { covered: Some(analysis.covered), embedding: analysis.embedding })
        }
        Err(cause) => match cause.downcast_ref::<FaceError>() {
            Some(FaceError::Rejected(fault)) => Ok(unusable(*fault)),
            Some(_) | None => Err(engine_error(cause)),
        },
    }
}

fn usable(content: TemplateContent) -> Option<Embedding> {
    match content {
        TemplateContent::Usable { embedding, .. } => Some(embedding),
        TemplateContent::Unusable(_) => None,
    }
}
