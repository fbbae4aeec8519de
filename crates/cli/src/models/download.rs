//! Downloads files of known digest, and resumes downloads that were interrupted.

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

/// How many attempts in a row may receive nothing.
const MAX_FUTILE_ATTEMPTS: u32 = 5;
/// Long enough for a slow proxy, short enough to try the next source when the network is unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may send nothing.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
/// Far more than a model needs.
const MAX_BYTES: u64 = 2 << 30;
const CHUNK_BYTES: usize = 64 << 10;

/// Downloads files, with retries.
pub(super) struct Downloader {
    client: Client,
    /// The pause before a retry. It doubles with each attempt that received nothing.
    pause: Duration,
}

/// A file to download.
pub(super) struct Download<'a> {
    pub(super) url: &'a str,
    pub(super) sha256: FileDigest,
    /// The file that keeps an incomplete download.
    pub(super) part: &'a Path,
    pub(super) title: &'a str,
}

impl Downloader {
    pub(super) fn new() -> Result<Self> {
        Self::with_pause(Duration::from_secs(1))
    }

    fn with_pause(pause: Duration) -> Result<Self> {
        tls::install_crypto_provider();
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(READ_TIMEOUT)
            .user_agent(concat!("padan/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot create an HTTP client")?;
        Ok(Self { client, pause })
    }

    /// Downloads the file. An incomplete download is kept and resumed, in this run and in the next.
    pub(super) fn fetch(&self, download: &Download<'_>) -> Result<Vec<u8>> {
        let had_part = download.part.exists();
        let bytes = self.fetch_with_retries(download)?;
        if FileDigest::of(&bytes) == download.sha256 {
            return Ok(bytes);
        }
        // The part of an earlier run may belong to another file, so the download starts again, once.
        let bytes = if had_part { self.fetch_with_retries(download)? } else { bytes };
        let found = FileDigest::of(&bytes);
        if found != download.sha256 {
            bail!(
                "{}: expected SHA-256 {}, found {found}; the file was not used",
                download.url,
                download.sha256
            );
        }
        Ok(bytes)
    }

    /// Downloads the file in several attempts if necessary, and removes the part.
    fn fetch_with_retries(&self, download: &Download<'_>) -> Result<Vec<u8>> {
        let (mut pause, mut futile_attempts) = (self.pause, 0);
        loop {
            let before = download.received_bytes();
            let Err(failure) = self.attempt(download) else { break };
            let received = download.received_bytes();
            if received > before {
                (pause, futile_attempts) = (self.pause, 0);
            } else {
                futile_attempts += 1;
            }
            if failure.is_permanent || futile_attempts >= MAX_FUTILE_ATTEMPTS {
                let kept = match received {
                    0 => String::new(),
                    received => format!(" ({received} bytes are kept; the next download resumes there)"),
                };
                return Err(failure.error.context(format!("{}{kept}", download.url)));
            }
            eprintln!("{}: {:#}; trying again", download.title, failure.error);
            thread::sleep(pause);
            pause *= 2;
        }
        let bytes = fs::read(download.part)?;
        download.remove_part();
        Ok(bytes)
    }

    fn attempt(&self, download: &Download<'_>) -> Result<(), Failure> {
        let received = download.received_bytes();
        let mut request = self.client.get(download.url);
        if received > 0 {
            request = request.header(RANGE, format!("bytes={received}-"));
            // Without a tag, only the digest of the whole file shows whether the two parts belong together.
            if let Some(tag) = download.stored_tag() {
                request = request.header(IF_RANGE, tag);
            }
        }
        let response = request.send().map_err(Failure::of_connection)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if continues_at(&response, received) => {
                download.receive(response, received).map_err(Failure::transient)
            }
            // The file has changed, or the server does not support ranges: start again.
            StatusCode::OK => download.receive(response, 0).map_err(Failure::transient),
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT => {
                download.remove_part();
                Err(Failure::transient(anyhow::anyhow!("the file on the server has changed")))
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Failure::transient(anyhow::anyhow!("the server answered {status}")))
            }
            status => {
                Err(Failure { error: anyhow::anyhow!("the server answered {status}"), is_permanent: true })
            }
        }
    }
}

impl Download<'_> {
    fn received_bytes(&self) -> u64 {
        fs::metadata(self.part).map_or(0, |metadata| metadata.len())
    }

    fn receive(&self, mut response: Response, from: u64) -> Result<()> {
        self.store_tag(&response)?;
        let mut part = File::options().create(true).append(from > 0).write(true).open(self.part)?;
        if from == 0 {
            part.set_len(0)?;
        }
        let total = response.content_length().map(|rest| from + rest);
        let bar = progress(self.title, from, total);
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut received = from;
        let outcome = loop {
            match response.read(&mut chunk) {
                Ok(0) => break Ok(()),
                Ok(length) => {
                    part.write_all(&chunk[..length])
                        .context("cannot write the download; is the disk full?")?;
                    received += u64::try_from(length)?;
                    bar.set_position(received);
                    if received > MAX_BYTES {
                        break Err(anyhow::anyhow!("more than {MAX_BYTES} bytes: this is not a model"));
                    }
                }
                Err(error) => break Err(error.into()),
            }
        };
        bar.finish_and_clear();
        outcome?;
        if total.is_some_and(|total| received != total) {
            bail!("the connection ended after {received} bytes");
        }
        Ok(())
    }

    fn tag_file(&self) -> PathBuf {
        let mut name = OsString::from(self.part);
        name.push(".etag");
        PathBuf::from(name)
    }

    /// The entity tag of the part. A weak tag does not guarantee identical bytes, and is not used.
    fn stored_tag(&self) -> Option<String> {
        fs::read_to_string(self.tag_file()).ok().filter(|tag| !tag.starts_with("W/"))
    }

    fn store_tag(&self, response: &Response) -> Result<()> {
        match response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()) {
            Some(tag) => fs::write(self.tag_file(), tag)?,
            None => drop(fs::remove_file(self.tag_file())),
        }
        Ok(())
    }

    /// Removes the part and its tag, if they exist.
    fn remove_part(&self) {
        drop(fs::remove_file(self.part));
        drop(fs::remove_file(self.tag_file()));
    }
}

/// Why an attempt failed, and whether a retry is useless.
struct Failure {
    error: anyhow::Error,
    is_permanent: bool,
}

impl Failure {
    fn transient(error: anyhow::Error) -> Self {
        Self { error, is_permanent: false }
    }

    /// Without a connection, the next source is tried instead of this one again.
    fn of_connection(error: reqwest::Error) -> Self {
        let is_permanent = error.is_connect() || error.is_builder() || error.is_redirect();
        // The message names the URL already.
        Self { error: anyhow::Error::from(error.without_url()), is_permanent }
    }
}

/// Returns whether a partial response begins where the part ends.
fn continues_at(response: &Response, received: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {received}-")))
}

/// Shows a progress bar on a terminal, otherwise prints a line.
fn progress(title: &str, from: u64, total: Option<u64>) -> ProgressBar {
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_message(title.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}, {eta}") {
        bar.set_style(style);
    }
    bar.set_position(from);
    if bar.is_hidden() {
        let size = total.map_or_else(String::new, |total| format!(", {total} bytes"));
        eprintln!("downloading {title}{size}");
    }
    bar
}

#[cfg(test)]
pub(super) mod tests;
