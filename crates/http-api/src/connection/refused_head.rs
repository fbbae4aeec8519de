use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use actix_web::http::header::{HeaderMap, HttpDate};
use memchr::memmem;
use padan_domain::ReasonCode;
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    time::{Sleep, sleep},
};

use super::{settings::ConnectionSettings, transport::Transport};
use crate::{
    answer::{ErrorBody, REASON_CODE},
    config::BodyLimits,
    metrics::Answered,
    request_id::RequestId,
    status::status_of,
};

/// The answer to a head that the HTTP server refused as too large, or that did not arrive in time. What the client still
/// sends is drained, so that it sees the answer and no reset.
pub(super) struct RefusedHead {
    answer: Vec<u8>,
    written: usize,
    is_shut: bool,
    left_to_drain: u64,
    timer: Pin<Box<Sleep>>,
}

impl RefusedHead {
    /// How long a client that is late with its head has to read the answer.
    const LATE_DRAIN_TIME: Duration = Duration::from_secs(1);

    /// Answers a head that did not arrive in time.
    pub(super) fn late(settings: &ConnectionSettings) -> Self {
        let head =
            format!("HTTP/1.1 408 Request Timeout\r\ndate: {}\r\n\r\n", HttpDate::from(SystemTime::now()));
        let limits = settings.limits.for_request().bodies;
        let drain_time = limits.drain_time.min(Self::LATE_DRAIN_TIME);
        Self::new(ReasonCode::RequestTimeout, head.as_bytes(), BodyLimits { drain_time, ..limits }, settings)
    }

    /// Replaces the answer without a body that the server is about to write. `None` if `bytes` are another answer.
    pub(super) fn of(bytes: &[u8], settings: &ConnectionSettings) -> Option<Self> {
        let version =
            [&b"HTTP/1.1"[..], b"HTTP/1.0"].into_iter().find(|version| bytes.starts_with(version))?;
        if !bytes[version.len()..].starts_with(b" 431 ") {
            return None;
        }
        let limits = settings.limits.for_request().bodies;
        Some(Self::new(ReasonCode::HeadersTooLarge, bytes, limits, settings))
    }

    /// Logs and counts the refusal. The answer has the status line and the date of `bytes`.
    fn new(reason: ReasonCode, bytes: &[u8], limits: BodyLimits, settings: &ConnectionSettings) -> Self {
        // Its own id cannot be read.
        let id = RequestId::of(&HeaderMap::new());
        settings.metrics.answered(&Answered {
            endpoint: "unmatched",
            status: status_of(reason).as_u16(),
            reason,
            took: Duration::ZERO,
            steps: &[],
            similarity: None,
            spoof: None,
            client: None,
            is_miss: false,
            is_repeated_face: false,
            own_load: None,
        });
        tracing::info!(id = id.recorded(), reason = reason.as_str(), "refused a head");
        Self {
            answer: answer(bytes, reason, &id),
            written: 0,
            is_shut: false,
            left_to_drain: limits.drain_bytes,
            timer: Box::pin(sleep(limits.drain_time)),
        }
    }

    /// Ready when the answer was sent and the client has read it, or had its time.
    pub(super) fn poll(
        &mut self,
        transport: &mut Transport,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.timer.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        while self.written < self.answer.len() {
            let rest = &self.answer[self.written..];
            match ready!(Pin::new(&mut *transport).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        if !self.is_shut {
            ready!(Pin::new(&mut *transport).poll_shutdown(context))?;
            self.is_shut = true;
        }
        let mut space = [0; 8192];
        while self.left_to_drain > 0 {
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut *transport).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    self.left_to_drain = self.left_to_drain.saturating_sub(buffer.filled().len() as u64);
                }
                // The client has closed its side. If by a reset, there is nobody to read the answer.
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The answer in JSON, with the status line and the date of the server's.
fn answer(bytes: &[u8], reason: ReasonCode, id: &RequestId) -> Vec<u8> {
    let head = memmem::find(bytes, b"\r\n\r\n").map_or(bytes, |end| &bytes[..end]);
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let date = lines.find(|line| line.to_ascii_lowercase().starts_with("date:")).unwrap_or_default();
    let date = if date.is_empty() { String::new() } else { format!("{date}\r\n") };
    let body = ErrorBody { verification_status: false, reason: reason.reason() };
    let body = serde_json::to_string(&body).unwrap_or_default();
    format!(
        "{status_line}\r\n{date}content-type: application/json\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         {REASON_CODE}: {}\r\n{}: {}\r\nconnection: close\r\n\r\n{body}",
        body.len(),
        reason.as_str(),
        RequestId::HEADER,
        id.recorded(),
    )
    .into_bytes()
}
