use std::path::{Path, PathBuf};

use crate::{
    label_error::LabelError,
    listing::{check_photo, entries, is_system_file, text_of, whole_name_of},
    photo_files::{nfc, originals, path_key},
    skipped::{SkipReason, SkippedFile},
};

/// Photos of living persons and of attacks.
#[derive(Debug, Default)]
pub struct LivenessPhotos {
    /// The photos, those of living persons first.
    pub photos: Vec<LivenessPhoto>,
    /// Files that are not read.
    pub skipped: Vec<SkippedFile>,
}

/// A photo that is a presentation to the camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivenessPhoto {
    /// Its file.
    pub file: PathBuf,
    /// Its path below the folder.
    pub name: String,
    /// What was presented.
    pub presentation: Presentation,
}

/// What was presented to the camera.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presentation {
    /// A living person.
    BonaFide,
    /// An attack by an instrument of this kind (the standard's PAI species).
    Attack(String),
}

/// The folder of photos of living persons.
const BONA_FIDE: &str = "bona-fide";
/// The folder with a folder for each kind of attack.
const ATTACK: &str = "attack";
const EXPECTED: &str = "a folder bona-fide with photos of living persons, and a folder attack with a folder for each kind \
                        of attack";

impl LivenessPhotos {
    /// Reads the folders `bona-fide` and `attack/KIND` with all folders below them. Links to folders are not followed.
    /// Photos with the same bytes as an earlier one are skipped.
    ///
    /// # Errors
    ///
    /// [`LabelError`] when a folder cannot be read, neither has a photo, or a photo has the same bytes as one of another
    /// kind.
    pub fn read(root: &Path) -> Result<Self, LabelError> {
        let mut found = Self::default();
        for entry in entries(root)? {
            let name = whole_name_of(&entry);
            if is_system_file(&entry) {
                found.skip(root, &entry, SkipReason::SystemFile);
            } else if entry.is_dir() && name == BONA_FIDE {
                found.add(root, &entry, &Presentation::BonaFide)?;
            } else if entry.is_dir() && name == ATTACK {
                found.add_attacks(root, &entry)?;
            } else {
                found.skip(root, &entry, SkipReason::OutsideKind);
            }
        }
        found
            .photos
            .sort_by(|one, other| (&one.presentation, &one.name).cmp(&(&other.presentation, &other.name)));
        found.remove_copies(root)?;
        if found.photos.is_empty() {
            let (location, skipped) = (root.to_owned(), found.skipped);
            return Err(LabelError::NothingToCompare { location, expected: EXPECTED, skipped });
        }
        Ok(found)
    }

    fn add_attacks(&mut self, root: &Path, folder: &Path) -> Result<(), LabelError> {
        for kind in entries(folder)? {
            if is_system_file(&kind) {
                self.skip(root, &kind, SkipReason::SystemFile);
            } else if kind.is_dir() {
                let presentation = Presentation::Attack(nfc(&whole_name_of(&kind)));
                self.add(root, &kind, &presentation)?;
            } else {
                self.skip(root, &kind, SkipReason::OutsideKind);
            }
        }
        Ok(())
    }

    /// Adds the photos of a folder and of those below it.
    fn add(&mut self, root: &Path, folder: &Path, presentation: &Presentation) -> Result<(), LabelError> {
        let entries = entries(folder)?;
        if entries.is_empty() {
            self.skip(root, folder, SkipReason::EmptyFolder);
        }
        for entry in entries {
            if is_system_file(&entry) {
                self.skip(root, &entry, SkipReason::SystemFile);
            } else if entry.is_dir() && entry.is_symlink() {
                self.skip(root, &entry, SkipReason::LinkedFolder);
            } else if entry.is_dir() {
                self.add(root, &entry, presentation)?;
            } else if let Err(reason) = check_photo(&entry) {
                self.skip(root, &entry, reason);
            } else {
                let (name, presentation) = (name_below(root, &entry), presentation.clone());
                self.photos.push(LivenessPhoto { file: entry, name, presentation });
            }
        }
        Ok(())
    }

    /// Counts a photo once. One that is both an attack and none has a wrong label.
    fn remove_copies(&mut self, root: &Path) -> Result<(), LabelError> {
        let files: Vec<_> = self.photos.iter().map(|photo| photo.file.as_path()).collect();
        let originals = originals(&files);
        let mut kept = Vec::new();
        for (at, original) in originals.into_iter().enumerate() {
            let (photo, first) = (&self.photos[at], &self.photos[original]);
            if photo.presentation != first.presentation {
                return Err(LabelError::Malformed {
                    location: root.to_owned(),
                    reason: format!(
                        "{} has the same bytes as {}: one of them is of another kind",
                        photo.name, first.name
                    ),
                });
            }
            if at == original {
                kept.push(photo.clone());
            } else {
                self.skipped.push(SkippedFile { path: photo.name.clone(), reason: SkipReason::Copy });
            }
        }
        self.photos = kept;
        Ok(())
    }

    fn skip(&mut self, root: &Path, path: &Path, reason: SkipReason) {
        self.skipped.push(SkippedFile { path: name_below(root, path), reason });
    }
}

fn name_below(root: &Path, file: &Path) -> String {
    path_key(&text_of(file.strip_prefix(root).unwrap_or(file).as_os_str()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        folder
    }

    #[test]
    fn photos_have_the_kind_of_their_folder_and_other_files_are_skipped() {
        let folder = folder(&[
            ("bona-fide/a.jpg", "1"),
            ("bona-fide/deep/b.png", "2"),
            ("bona-fide/copy.jpg", "1"),
            ("bona-fide/notes.txt", "x"),
            ("attack/print/c.jpg", "3"),
            ("attack/screen/phone/d.jpg", "4"),
            ("attack/loose.jpg", "5"),
            ("other/e.jpg", "6"),
            ("attack/.DS_Store", "7"),
        ]);
        let found = LivenessPhotos::read(folder.path()).unwrap();
        let kinds = found.photos.iter().map(|photo| (photo.name.as_str(), photo.presentation.clone()));
        let attack = |kind: &str| Presentation::Attack(kind.to_owned());
        assert_eq!(
            kinds.collect::<Vec<_>>(),
            [
                ("bona-fide/a.jpg", Presentation::BonaFide),
                ("bona-fide/deep/b.png", Presentation::BonaFide),
                ("attack/print/c.jpg", attack("print")),
                ("attack/screen/phone/d.jpg", attack("screen")),
            ]
        );
        let mut skipped: Vec<_> =
            found.skipped.iter().map(|file| (file.path.as_str(), file.reason)).collect();
        skipped.sort_unstable();
        assert_eq!(
            skipped,
            [
                ("attack/.DS_Store", SkipReason::SystemFile),
                ("attack/loose.jpg", SkipReason::OutsideKind),
                ("bona-fide/copy.jpg", SkipReason::Copy),
                ("bona-fide/notes.txt", SkipReason::NoPhoto),
                ("other", SkipReason::OutsideKind),
            ]
        );
    }

    #[test]
    fn a_folder_without_photos_and_a_photo_of_two_kinds_are_refused() {
        let error =
            |files: &[(&str, &str)]| LivenessPhotos::read(folder(files).path()).unwrap_err().to_string();
        assert!(error(&[("photos/a.jpg", "1")]).contains("a folder bona-fide"));
        let text = error(&[("bona-fide/a.jpg", "1"), ("attack/print/b.jpg", "1")]);
        assert!(text.contains("attack/print/b.jpg has the same bytes as bona-fide/a.jpg"), "{text}");
    }
}
