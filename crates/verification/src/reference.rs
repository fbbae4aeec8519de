use std::{sync::atomic::Ordering, time::Instant};

use chrono::{DateTime, Utc};
use padan_domain::{Embedding, NationalId, Photo};
use padan_inference::{Engine, FaceError, PhotoFault};
use padan_registry::Portrait;
use padan_store::{StoreError, StoredTemplate, TemplateContent};
use tracing::info_span;

use crate::{
    StepTimings, VerificationError, Verifier,
    error::Cause,
    timing::timed,
    verifier::{face_error, within},
};

impl Verifier {
    /// The person's reference embedding; `None` when the registry has no photo or none with a usable face.
    ///
    /// The kept template serves while it was made of the portrait that the registry has now. Otherwise, and when it
    /// cannot be read, the portrait is embedded and kept, an unusable one as well, so that neither is looked at twice.
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
        let lookup = within(deadline, self.parts.store.template(nik, engine.contract()));
        let kept = timed(&mut timings.template, info_span!("template"), lookup)
            .await
            .or_else(|cause| self.pass_over(cause))?;
        match kept {
            Some(kept) if kept.portrait_updated_at == portrait_updated_at => Ok(usable(kept.content)),
            Some(_) | None => self.enrol(engine, nik, deadline, timings).await,
        }
    }

    /// Takes a template that cannot be read for none: its key was lost or is not configured here, or the row was damaged.
    /// The registry still has the portrait, and to make the template anew costs less than to turn the person away.
    fn pass_over(&self, cause: Cause) -> Result<Option<StoredTemplate>, VerificationError> {
        match cause.downcast_ref::<StoreError>() {
            Some(fault @ (StoreError::UnknownKey(_) | StoreError::Inconsistent { .. })) => {
                tracing::warn!("a face template is made anew: {fault}");
                self.unreadable_templates.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
            Some(_) | None => Err(VerificationError::StoreUnavailable(cause)),
        }
    }

    /// Makes a template of the portrait and keeps it. The portrait may have changed or gone since the person
    /// was looked up; what is there now counts, under its own time.
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
        };
        // A store that takes no writes is an outage like any other: were it passed over, every request would
        // silently embed the portrait again.
        let keep = self.parts.store.save_template(nik, engine.contract(), &template);
        timed(&mut timings.keeping, info_span!("keeping"), within(deadline, keep))
            .await
            .map_err(VerificationError::StoreUnavailable)?;
        Ok(usable(template.content))
    }
}

/// What is kept of a portrait: its embedding, or why it gives none. A portrait is analysed without regard to time, so
/// that what is kept of it does not depend on load; past the deadline nothing is kept.
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
        Ok(analysis) => Ok(TemplateContent::Usable(analysis.embedding)),
        Err(cause) => match cause.downcast_ref::<FaceError>() {
            Some(FaceError::Rejected(fault)) => Ok(unusable(*fault)),
            Some(_) | None => Err(face_error(cause)),
        },
    }
}

fn usable(content: TemplateContent) -> Option<Embedding> {
    match content {
        TemplateContent::Usable(embedding) => Some(embedding),
        TemplateContent::Unusable(_) => None,
    }
}
