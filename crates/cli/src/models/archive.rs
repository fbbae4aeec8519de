//! Reads Python wheels (zip) and npm packages (gzipped tar).

use std::{
    fs::File,
    io::{BufReader, Read, Seek as _},
    path::Path,
};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;

/// The largest unpacked entry: far more than a model needs, and a limit for archive bombs.
const MAX_ENTRY_BYTES: u64 = 2 << 30;

/// The type of a file, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Wheel,
    NpmPackage,
    Plain,
}

pub(super) fn kind(path: &Path) -> Result<Kind> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(4).read_to_end(&mut start))
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(match start[..] {
        [b'P', b'K', 3, 4] => Kind::Wheel,
        [0x1f, 0x8b, ..] => Kind::NpmPackage,
        _ => Kind::Plain,
    })
}

/// Passes the entries whose names match `wanted` to `found`, in the archive's order, until `found` returns false.
pub(super) fn read(
    path: &Path,
    wanted: impl Fn(&str) -> bool,
    mut found: impl FnMut(&str, Vec<u8>) -> bool,
) -> Result<()> {
    let kind = kind(path)?;
    let file = File::open(path)?;
    match kind {
        Kind::Wheel => read_wheel(file, &wanted, &mut found),
        Kind::NpmPackage => read_npm_package(file, &wanted, &mut found),
        Kind::Plain => bail!("the file is neither a wheel nor an npm package"),
    }
    .with_context(|| format!("cannot unpack {}", path.display()))
}

type Found<'a> = &'a mut dyn FnMut(&str, Vec<u8>) -> bool;

fn read_wheel(mut file: File, wanted: &dyn Fn(&str) -> bool, found: Found<'_>) -> Result<()> {
    file.rewind()?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file))?;
    for index in 0..archive.len() {
        let entry = archive.by_index(index)?;
        let name = entry.name()?.into_owned();
        if entry.is_file() && wanted(&name) {
            let bytes = limited(entry)?;
            if !found(&name, bytes) {
                break;
            }
        }
    }
    Ok(())
}

fn read_npm_package(file: File, wanted: &dyn Fn(&str) -> bool, found: Found<'_>) -> Result<()> {
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    for entry in archive.entries()? {
        let entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        if entry.header().entry_type().is_file() && wanted(&name) {
            let bytes = limited(entry)?;
            if !found(&name, bytes) {
                break;
            }
        }
    }
    Ok(())
}

fn limited(entry: impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(MAX_ENTRY_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len())? > MAX_ENTRY_BYTES {
        bail!("an entry unpacks to more than {MAX_ENTRY_BYTES} bytes");
    }
    Ok(bytes)
}
