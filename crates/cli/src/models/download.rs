//! Downloading a file whose digest is known, and taking it up again where it broke off.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{Read, Write as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use padan_inference::FileDigest;
use reqwest::{
    StatusCode,
    blocking::{Client, Response},
    header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE},
};

use crate::tls;

/// How many attempts in a row may bring nothing new.
const ATTEMPTS: u32 = 5;
/// Long enough for a slow proxy, short enough to come to the next source when there is no way out.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long nothing at all may arrive.
const SILENCE: Duration = Duration::from_mins(1);
/// No model comes near.
const MOST_BYTES: u64 = 2 << 30;
const CHUNK: usize = 64 << 10;

/// The HTTP client and its patience.
pub(super) struct Network {
    client: Client,
    /// Before another attempt; it doubles with each one that brought nothing.
    pause: Duration,
}

/// One file to be had.
pub(super) struct Download<'a> {
    pub(super) url: &'a str,
    pub(super) sha256: FileDigest,
    /// Where it is kept until it is whole.
    pub(super) part: &'a Path,
    pub(super) title: &'a str,
}

impl Network {
    pub(super) fn new() -> Result<Self> {
        Self::with_pause(Duration::from_secs(1))
    }

    fn with_pause(pause: Duration) -> Result<Self> {
        tls::choose_cryptography();
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(SILENCE)
            .user_agent(concat!("padan/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("no HTTP client can be made")?;
        Ok(Self { client, pause })
    }

    /// Downloads the file. What has arrived of it is kept when it breaks off, in this run and for the next.
    pub(super) fn fetch(&self, download: &Download<'_>) -> Result<Vec<u8>> {
        let had_part = download.part.exists();
        let bytes = self.fetch_patiently(download)?;
        if FileDigest::of(&bytes) == download.sha256 {
            return Ok(bytes);
        }
        // An old beginning may belong to another file; that is settled by starting anew, once.
        let bytes = if had_part { self.fetch_patiently(download)? } else { bytes };
        let found = FileDigest::of(&bytes);
        if found != download.sha256 {
            bail!("{}: SHA-256 {found} instead of {}; it was not used", download.url, download.sha256);
        }
        Ok(bytes)
    }

    /// Downloads to the end, in several attempts if need be, and removes the part.
    fn fetch_patiently(&self, download: &Download<'_>) -> Result<Vec<u8>> {
        let (mut pause, mut in_vain) = (self.pause, 0);
        loop {
            let before = download.arrived();
            let Err(failure) = self.attempt(download) else { break };
            let arrived = download.arrived();
            if arrived > before {
                (pause, in_vain) = (self.pause, 0);
            } else {
                in_vain += 1;
            }
            if failure.is_final || in_vain >= ATTEMPTS {
                let kept = match arrived {
                    0 => String::new(),
                    arrived => format!(" ({arrived} bytes are kept; the next attempt goes on from there)"),
                };
                return Err(failure.error.context(format!("{}{kept}", download.url)));
            }
            eprintln!("{}: {:#}; trying again", download.title, failure.error);
            thread::sleep(pause);
            pause *= 2;
        }
        let bytes = fs::read(download.part)?;
        download.forget();
        Ok(bytes)
    }

    fn attempt(&self, download: &Download<'_>) -> Result<(), Failure> {
        let arrived = download.arrived();
        let mut request = self.client.get(download.url);
        if arrived > 0 {
            request = request.header(RANGE, format!("bytes={arrived}-"));
            // Without a tag the digest tells in the end whether the two pieces fit.
            if let Some(tag) = download.kept_tag() {
                request = request.header(IF_RANGE, tag);
            }
        }
        let response = request.send().map_err(Failure::of_connection)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if goes_on_from(&response, arrived) => {
                download.receive(response, arrived).map_err(Failure::passing)
            }
            // Another version, or a server that does not know ranges: from the start.
            StatusCode::OK => download.receive(response, 0).map_err(Failure::passing),
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT => {
                download.forget();
                Err(Failure::passing(anyhow::anyhow!("the server has another file than before")))
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Failure::passing(anyhow::anyhow!("the server answered {status}")))
            }
            status => Err(Failure { error: anyhow::anyhow!("the server answered {status}"), is_final: true }),
        }
    }
}

impl Download<'_> {
    fn arrived(&self) -> u64 {
        fs::metadata(self.part).map_or(0, |about| about.len())
    }

    fn receive(&self, mut response: Response, from: u64) -> Result<()> {
        self.keep_tag(&response)?;
        let mut part = File::options().create(true).append(from > 0).write(true).open(self.part)?;
        if from == 0 {
            part.set_len(0)?;
        }
        let whole = response.content_length().map(|rest| from + rest);
        let bar = progress(self.title, from, whole);
        let mut chunk = vec![0; CHUNK];
        let mut arrived = from;
        let outcome = loop {
            match response.read(&mut chunk) {
                Ok(0) => break Ok(()),
                Ok(length) => {
                    part.write_all(&chunk[..length])
                        .context("the download cannot be kept; is the disk full?")?;
                    arrived += u64::try_from(length)?;
                    bar.set_position(arrived);
                    if arrived > MOST_BYTES {
                        break Err(anyhow::anyhow!("more than {MOST_BYTES} bytes: this is no model"));
                    }
                }
                Err(error) => break Err(error.into()),
            }
        };
        bar.finish_and_clear();
        outcome?;
        if whole.is_some_and(|whole| arrived != whole) {
            bail!("it broke off after {arrived} bytes");
        }
        Ok(())
    }

    fn tag_file(&self) -> PathBuf {
        let mut name = OsString::from(self.part);
        name.push(".etag");
        PathBuf::from(name)
    }

    /// The tag under which the server gave what has arrived. A weak one does not vouch for bytes.
    fn kept_tag(&self) -> Option<String> {
        fs::read_to_string(self.tag_file()).ok().filter(|tag| !tag.starts_with("W/"))
    }

    fn keep_tag(&self, response: &Response) -> Result<()> {
        match response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()) {
            Some(tag) => fs::write(self.tag_file(), tag)?,
            None => drop(fs::remove_file(self.tag_file())),
        }
        Ok(())
    }

    /// Removes what is kept; that there is nothing is as good.
    fn forget(&self) {
        drop(fs::remove_file(self.part));
        drop(fs::remove_file(self.tag_file()));
    }
}

/// Why an attempt failed, and whether another is in vain.
struct Failure {
    error: anyhow::Error,
    is_final: bool,
}

impl Failure {
    fn passing(error: anyhow::Error) -> Self {
        Self { error, is_final: false }
    }

    /// No way there at all: another source may be nearer.
    fn of_connection(error: reqwest::Error) -> Self {
        let is_final = error.is_connect() || error.is_builder() || error.is_redirect();
        // The URL stands in the message already.
        Self { error: anyhow::Error::from(error.without_url()), is_final }
    }
}

/// Whether a partial answer begins where the kept part ends.
fn goes_on_from(response: &Response, arrived: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {arrived}-")))
}

/// A bar on a terminal; otherwise one line.
fn progress(title: &str, from: u64, whole: Option<u64>) -> ProgressBar {
    let bar = whole.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_message(title.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}, {eta}") {
        bar.set_style(style);
    }
    bar.set_position(from);
    if bar.is_hidden() {
        let size = whole.map_or_else(String::new, |whole| format!(", {whole} bytes"));
        eprintln!("downloading {title}{size}");
    }
    bar
}

#[cfg(test)]
pub(super) mod tests;
