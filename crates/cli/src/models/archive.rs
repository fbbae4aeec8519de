//! Looking into Python wheels (zip) and npm packages (gzipped tar).

use std::{
    fs::File,
    io::{BufReader, Read, Seek as _},
    path::Path,
};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;

/// What one entry may unpack to. No model comes near; a bomb stops here.
const MOST_BYTES: u64 = 2 << 30;

/// What a file is, by its first bytes.
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
        .with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(match start[..] {
        [b'P', b'K', 3, 4] => Kind::Wheel,
        [0x1f, 0x8b, ..] => Kind::NpmPackage,
        _ => Kind::Plain,
    })
}

/// Reads the entries whose names `wanted` takes, each with its name, in the archive's order. `found` says
/// whether to go on.
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
        Kind::Plain => bail!("it is neither a wheel nor an npm package"),
    }
    .with_context(|| format!("{} cannot be unpacked", path.display()))
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
    entry.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len())? > MOST_BYTES {
        bail!("an entry unpacks to more than {MOST_BYTES} bytes");
    }
    Ok(bytes)
}
