//! `padan compare` on photo collections that are not part of the project. `make test-shared` runs these tests where the
//! collections lie in `../shared` beside the checkout. Error rates are measured by `make evaluate`.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed, and the panic names the line"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

#[test]
fn people_are_distinguished_on_uncontrolled_photos() {
    let photos = shared("faces/lfw-dev");
    let list = fs::read_to_string(photos.join("pairsDevTest.csv")).unwrap();
    let pairs: Vec<Vec<&str>> = list.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let spread = |same: &str| {
        let of_kind: Vec<_> = pairs.iter().filter(|pair| pair[2] == same).collect();
        let step = of_kind.len() / 20;
        of_kind
            .into_iter()
            .step_by(step)
            .take(20)
            .map(|pair| [photos.join(pair[0]), photos.join(pair[1])])
            .collect::<Vec<_>>()
    };
    let matches = |[a, b]: &[PathBuf; 2]| match compare(a, b, &["--no-gates"]).status.code() {
        Some(0) => true,
        Some(1) => false,
        other => panic!("{} and {}: exit code {other:?}", a.display(), b.display()),
    };
    let (genuine, impostor) = (spread("1"), spread("0"));
    assert_eq!((genuine.len(), impostor.len()), (20, 20));
    assert!(genuine.iter().filter(|pair| matches(pair)).count() >= 18);
    assert_eq!(impostor.iter().filter(|pair| matches(pair)).count(), 0);
}

#[test]
fn malformed_and_unusual_images_never_crash_the_program() {
    let mut files = Vec::new();
    collect(&shared("hostile"), &mut files);
    files.sort();
    let portrait = project().join("people/images/101_id.jpg");
    let step = (files.len() / 80).max(1);
    for file in files.iter().step_by(step) {
        let output = compare(&portrait, file, &[]);
        assert!(
            matches!(output.status.code(), Some(0 | 1 | 3)),
            "{}: {} {}",
            file.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn compare(a: &Path, b: &Path, further: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_padan"))
        .arg("compare")
        .args([a, b])
        .args(further)
        .env("PADAN__INFERENCE__WORKERS", "1")
        .current_dir(project())
        .output()
        .unwrap()
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn shared(below: &str) -> PathBuf {
    let folder = project().join("../shared").join(below);
    assert!(
        folder.is_dir(),
        "{} is not there: these tests read photos beside the checkout",
        folder.display()
    );
    folder
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
