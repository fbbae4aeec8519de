use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use padan_domain::{Embedding, Percentage};
use padan_inference::{Engine, FaceError, WorkerFigures};
use padan_store::{ShadowOutcome, StoreError, StoredTemplate, TemplateContent};
use tokio::time::sleep;

use crate::{
    deadline::within,
    error::Cause,
    shadow::{Measured, QueuedSelfie},
    similarity::similarity,
    verifier::Verifier,
};

/// How long after its request a selfie is dropped if the machine has had no spare capacity.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often spare capacity is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

impl Verifier {
    /// Embeds the selfies that wait by the shadow model set, one after the other, and does not end.
    pub(crate) async fn compare_in_shadow(&self) {
        let Some(mut waiting) = self.shadow.take_waiting() else { return std::future::pending().await };
        while let Some(selfie) = waiting.recv().await {
            let (verifier, selfie) = (self.clone(), Arc::new(selfie));
            let compared = Arc::clone(&selfie);
            // A panic ends this comparison, not the service.
            let measured = tokio::spawn(async move { verifier.measure_in_shadow(&compared).await }).await;
            let panicked = |_| Some(Measured::not_compared(ShadowOutcome::Engine));
            if let Some(measured) = measured.unwrap_or_else(panicked) {
                self.shadow.count(selfie.contract.clone(), &selfie.decided, &measured);
            }
        }
    }

    /// `None` when the model set is no longer measured.
    async fn measure_in_shadow(&self, selfie: &QueuedSelfie) -> Option<Measured> {
        let deadline = selfie.held.since + PATIENCE;
        let is_free = self.wait_for_spare_capacity(deadline).await;
        let engine = self.shadow.engine(&selfie.contract)?;
        let compared = if is_free {
            self.percentage_in_shadow(&engine, selfie, deadline).await
        } else {
            Err(ShadowOutcome::Busy)
        };
        Some(Measured {
            outcome: compared.err().unwrap_or(ShadowOutcome::Compared),
            calibration: engine.identity().calibration_id.clone(),
            percentage: compared.ok(),
            cpu: self.shadow.take_cpu(),
        })
    }

    async fn percentage_in_shadow(
        &self,
        engine: &Engine,
        selfie: &QueuedSelfie,
        deadline: Instant,
    ) -> Result<Percentage, ShadowOutcome> {
        let decided = &selfie.decided;
        let stored =
            within(deadline, self.parts.store.templates().get(&decided.nik, engine.contract())).await;
        let stored = stored.or_else(|cause| unreadable(&cause))?;
        let current = stored.filter(|stored| decided.portrait_updated_at == Some(stored.portrait_updated_at));
        let reference = reference(current)?;
        let photo = selfie.held.photo.clone();
        let probe =
            within(deadline, engine.probe(photo, deadline)).await.map_err(|cause| of_engine(&cause))?;
        let found = similarity(engine, &reference, &probe.embedding).ok_or(ShadowOutcome::Engine)?;
        Ok(engine.calibration().percentage(found))
    }

    /// Waits until no request needs the workers or the store. False when that is not so before the deadline.
    async fn wait_for_spare_capacity(&self, deadline: Instant) -> bool {
        while !self.has_spare_capacity() {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(LOOK_INTERVAL).await;
        }
        true
    }

    fn has_spare_capacity(&self) -> bool {
        let pool = self.parts.store.pool_figures();
        has_spare_workers(self.parts.engine.current().figures()) && pool.in_use < pool.max_connections
    }
}

/// Whether no photo waits and fewer than half of the workers are busy: two processors may share a core, so that one more
/// would slow down the others.
fn has_spare_workers(WorkerFigures { workers, busy, queued, .. }: WorkerFigures) -> bool {
    queued == 0 && busy * 2 < workers
}

/// A template that cannot be read is treated as missing, as requests do.
fn unreadable(cause: &Cause) -> Result<Option<StoredTemplate>, ShadowOutcome> {
    match cause.downcast_ref::<StoreError>() {
        Some(StoreError::UnknownKey(_) | StoreError::Inconsistent { .. }) => Ok(None),
        Some(_) | None => Err(ShadowOutcome::Store),
    }
}

fn reference(current: Option<StoredTemplate>) -> Result<Embedding, ShadowOutcome> {
    match current.map(|current| current.content) {
        Some(TemplateContent::Usable { embedding, .. }) => Ok(embedding),
        Some(TemplateContent::Unusable(_)) => Err(ShadowOutcome::TemplateUnusable),
        None => Err(ShadowOutcome::NoTemplate),
    }
}

fn of_engine(cause: &Cause) -> ShadowOutcome {
    match cause.downcast_ref::<FaceError>() {
        Some(FaceError::Rejected(_)) => ShadowOutcome::PhotoRejected,
        Some(FaceError::Broken(_)) => ShadowOutcome::Engine,
        Some(FaceError::QueueFull | FaceError::Expired) | None => ShadowOutcome::Busy,
    }
}

#[cfg(test)]
mod tests {
    use padan_inference::PhotoFault;

    use super::*;

    #[test]
    fn there_is_capacity_to_spare_while_fewer_than_half_of_the_workers_are_busy() {
        let figures = |workers, busy, queued| WorkerFigures {
            workers,
            busy,
            queued,
            queue_length: 8,
            pixels: 0,
            max_pixels: 1,
            refused: 0,
            expired: 0,
            shared_runs: 0,
            shared_faces: 0,
        };
        for (workers, busy, queued, expected) in [
            (1, 0, 0, true),
            (1, 1, 0, false),
            (2, 0, 0, true),
            (2, 1, 0, false),
            (16, 7, 0, true),
            (16, 8, 0, false),
            (16, 0, 1, false),
        ] {
            let found = has_spare_workers(figures(workers, busy, queued));
            assert_eq!(found, expected, "{workers} {busy} {queued}");
        }
    }

    #[test]
    fn each_failure_is_counted_as_what_it_is() {
        let engine = |error: FaceError| of_engine(&Cause::from(error));
        assert_eq!(engine(FaceError::Rejected(PhotoFault::NoFace)), ShadowOutcome::PhotoRejected);
        assert_eq!(engine(FaceError::Broken("session".into())), ShadowOutcome::Engine);
        assert_eq!(engine(FaceError::Expired), ShadowOutcome::Busy);
        let store = |error: StoreError| unreadable(&Cause::from(error)).map(|template| template.is_none());
        assert_eq!(store(StoreError::UnknownKey("k".into())), Ok(true));
        assert_eq!(store(StoreError::Unavailable("down".into())), Err(ShadowOutcome::Store));
        assert_eq!(reference(None), Err(ShadowOutcome::NoTemplate));
    }
}
