use std::{sync::Arc, time::Instant};

use padan_domain::Photo;
use padan_inference::PhotoReader;
use parking_lot::Mutex;
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout_at};

use crate::{deadline::engine_error, error::VerificationError};

/// Decodes a photo on a thread that may block, one photo at a time, so that the sandbox takes at most one core and the
/// memory of one photo. The others wait until their deadline; there are at most as many as requests in flight.
pub(super) async fn read(
    turn: &Arc<Semaphore>,
    reader: &Arc<Mutex<PhotoReader>>,
    photo: Photo,
    deadline: Instant,
) -> Result<(u32, u32), VerificationError> {
    let waited = timeout_at(deadline.into(), Arc::clone(turn).acquire_owned()).await;
    let Ok(Ok(turn)) = waited else { return Err(VerificationError::Busy) };
    let reader = Arc::clone(reader);
    let read = spawn_blocking(move || {
        // Held until the photo is decoded, also when its client has left.
        let _turn = turn;
        reader.lock().read(&photo, deadline)
    });
    match read.await {
        Ok(Ok(size)) => Ok(size),
        Ok(Err(error)) => Err(engine_error(error.into())),
        Err(panicked) => Err(VerificationError::Internal(panicked.into())),
    }
}
