use std::io::{self, Read as _};

use actix_web::web::Bytes;
use flate2::bufread::GzDecoder;
use padan_domain::ReasonCode;

use crate::{
    body::{Body, reserve},
    refusal::Refusal,
};

/// Bytes that are inflated before other requests of the thread get their turn: less than a millisecond of work.
const CHUNK_BYTES: usize = 64 * 1024;
/// Gzip members in a body. Clients send one. The limit bounds the work of a body that consists of empty members.
const MAX_MEMBERS: usize = 16;

/// Inflates a body that was compressed with gzip, within the limit of bytes that holds for a body as it is.
///
/// # Errors
///
/// 413 when the inflated body is over the limit, 429 when all bodies together need too much memory, 400 when the data
/// is not gzip or ends too early.
pub(crate) async fn inflate(body: &Body, compressed: Bytes) -> Result<Bytes, Refusal> {
    let limit = body.limit_bytes();
    let mut memory = body.reservation();
    let mut whole = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut rest = &compressed[..];
    for _ in 0..MAX_MEMBERS {
        let mut member = GzDecoder::new(rest);
        loop {
            let length = member.read(&mut chunk).map_err(|error| malformed(&error))?;
            if length == 0 {
                break;
            }
            let needed = whole.len() + length;
            if needed > limit {
                return Err(Refusal::new(ReasonCode::BodyTooLarge));
            }
            if needed > whole.capacity() {
                // Doubled as usual, but never beyond the limit.
                let roomy = (2 * whole.capacity()).clamp(needed, limit);
                reserve(&mut memory, roomy)?;
                whole.reserve_exact(roomy - whole.len());
            }
            whole.extend_from_slice(&chunk[..length]);
            tokio::task::yield_now().await;
        }
        rest = member.into_inner();
        if rest.is_empty() {
            return Ok(memory.holding(whole));
        }
    }
    Err(Refusal::malformed("Request body has too many gzip members"))
}

fn malformed(error: &io::Error) -> Refusal {
    tracing::debug!(%error, "a body could not be inflated");
    Refusal::malformed("Request body is not valid gzip, its Content-Encoding")
}
