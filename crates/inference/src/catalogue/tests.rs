use tempfile::TempDir;

use super::*;

const SFACE: &str = include_str!("../../../../models/sface.toml");

fn folder_with(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// The manifest of an embedder whose published file has this content.
fn site_manifest(name: &str, content: &[u8]) -> String {
    format!(
        r#"
        version = 1
        name = "{name}"
        title = "A site's embedder"
        task = "embedder"
        licence = "LicenseRef-site"
        licence_note = "By contract."
        origin = "the site"
        export = [{{ file = "w.onnx", sha256 = "{}" }}]
        [input]
        name = "x"
        width = 112
        height = 112
        colour = "rgb"
        mean = [0.0, 0.0, 0.0]
        std = [1.0, 1.0, 1.0]
        [embedding]
        family = "arcface-112"
        output = "y"
        length = 512
        detector = "yunet"
        calibration = "{name}.calibration.toml"
        "#,
        FileDigest::of(content)
    )
}

#[test]
fn without_folders_the_built_in_sets_are_known() {
    let catalogue = Catalogue::load(&[]).unwrap();
    assert_eq!(
        catalogue.sets().map(|set| set.name().to_owned()).collect::<Vec<_>>(),
        ["mobilefacenet", "sface"]
    );
    for set in catalogue.sets() {
        catalogue.calibration(&set).unwrap().calibration().unwrap();
    }
}

#[test]
fn a_liveness_set_has_its_models_and_an_unknown_partner_is_refused() {
    let catalogue = Catalogue::load(&[]).unwrap();
    assert_eq!(catalogue.liveness_sets().collect::<Vec<_>>(), ["minifasnet"]);
    let set = catalogue.liveness_set("minifasnet").unwrap();
    let names: Vec<_> = set.models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["minifasnet", "minifasnet-v1se"]);
    assert_eq!(catalogue.models_of("minifasnet").unwrap(), set.models);
    assert_eq!(catalogue.models_of("sface").unwrap().len(), 2);
    for other in ["minifasnet-v1se", "sface", "yunet"] {
        let error = catalogue.liveness_set(other).unwrap_err().to_string();
        assert!(error.ends_with("known are: minifasnet"), "{error}");
    }
    assert!(catalogue.set("minifasnet").is_err(), "a liveness set embeds no face");
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("../../../../models/minifasnet.toml");
    let text = text.replace("name = \"minifasnet\"", "name = \"own\"").replace("minifasnet-v1se", "sface");
    fs::write(folder.path().join("own.toml"), text).unwrap();
    let error = Catalogue::load(&[folder.path().to_owned()]).unwrap_err().to_string();
    assert!(error.contains("\"sface\" is no known liveness model"), "{error}");
}

#[test]
fn the_error_for_an_unknown_set_lists_the_known_ones() {
    let error = Catalogue::load(&[]).unwrap().set("arcface").unwrap_err();
    assert_eq!(error.to_string(), r#"there is no model set "arcface"; known are: mobilefacenet, sface"#);
}

#[test]
fn a_sites_own_model_is_found_by_its_digest_under_any_file_name() {
    let content = b"weights";
    let manifest = site_manifest("site", content);
    let folder = folder_with(&[("site.toml", manifest.as_bytes()), ("renamed.onnx", content)]);
    let catalogue = Catalogue::load(&[folder.path().to_owned()]).unwrap();
    let set = catalogue.set("site").unwrap();
    let file = catalogue.locate(&set, &set.embedder, Graph::Prepared).unwrap();
    assert_eq!((file.bytes.as_slice(), file.path), (&content[..], folder.path().join("renamed.onnx")));
    let error = catalogue.calibration(&set).unwrap_err().to_string();
    assert_eq!(
        error,
        "site.calibration.toml: found in none of the model folders; put it into the manifest's folder"
    );
}

#[test]
fn the_error_for_a_missing_file_names_the_command_that_installs_it() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::load(&[folder.path().to_owned()]).unwrap();
    let set = catalogue.set("sface").unwrap();
    let error = catalogue.locate(&set, &set.embedder, Graph::Prepared).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "model sface is not installed: no sface.onnx in {}; \
             run `padan models install sface` (or `make deps`)",
            folder.path().display()
        )
    );
}

#[test]
fn a_file_with_the_right_name_and_a_wrong_digest_is_not_loaded() {
    let folder = folder_with(&[("sface.onnx", b"tampered with")]);
    let catalogue = Catalogue::load(&[folder.path().to_owned()]).unwrap();
    let set = catalogue.set("sface").unwrap();
    let error = catalogue.locate(&set, &set.embedder, Graph::Prepared).unwrap_err();
    assert!(
        matches!(&error, ModelError::WrongDigest { found, .. } if *found == FileDigest::of(b"tampered with"))
    );
}

#[test]
fn a_damaged_file_is_an_error_even_if_a_later_folder_has_the_right_one() {
    let content = b"weights";
    let manifest = site_manifest("site", content);
    let first = folder_with(&[("site.toml", manifest.as_bytes()), ("site.onnx", b"old weights")]);
    let second = folder_with(&[("site.onnx", content)]);
    let folders = [first.path().to_owned(), second.path().to_owned()];
    let catalogue = Catalogue::load(&folders).unwrap();
    let set = catalogue.set("site").unwrap();
    let error = catalogue.locate(&set, &set.embedder, Graph::Prepared).unwrap_err();
    let damaged = first.path().join("site.onnx");
    assert!(matches!(&error, ModelError::WrongDigest { path, .. } if *path == damaged), "{error}");
    fs::remove_file(damaged).unwrap();
    let file = catalogue.locate(&set, &set.embedder, Graph::Prepared).unwrap();
    assert_eq!(
        file.path,
        second.path().join("site.onnx"),
        "a file that is not there is looked for elsewhere"
    );
}

#[test]
fn a_models_name_is_unique() {
    let copy = folder_with(&[("sface.toml", SFACE.as_bytes())]);
    Catalogue::load(&[copy.path().to_owned()]).unwrap();

    let changed = SFACE.replacen("SFace 2021dec", "SFace, tuned", 1);
    let other = folder_with(&[("sface.toml", changed.as_bytes())]);
    let error = Catalogue::load(&[other.path().to_owned()]).unwrap_err().to_string();
    assert!(error.ends_with(r#"another model is named "sface"; choose another name"#), "{error}");
}

#[test]
fn an_embedder_whose_detector_is_unknown_is_refused() {
    let manifest = site_manifest("site", b"").replace(r#"detector = "yunet""#, r#"detector = "scrfd""#);
    let folder = folder_with(&[("site.toml", manifest.as_bytes())]);
    let error = Catalogue::load(&[folder.path().to_owned()]).unwrap_err().to_string();
    assert_eq!(error, r#"site: its detector "scrfd" is unknown; put that manifest into the same folder"#);
}

#[test]
fn a_calibration_in_a_folder_takes_precedence_over_the_built_in_one() {
    let calibration = |folders: &[PathBuf]| {
        let catalogue = Catalogue::load(folders).unwrap();
        catalogue.calibration(&catalogue.set("sface").unwrap()).unwrap()
    };
    let mut moved = calibration(&[]);
    let pass_mark = moved.points.iter_mut().find(|point| point.percentage == 75.0).unwrap();
    pass_mark.cosine += 1e-6;
    let cosine = pass_mark.cosine;
    let folder = folder_with(&[("sface.calibration.toml", moved.to_toml().unwrap().as_bytes())]);
    let found = calibration(&[folder.path().to_owned()]);
    assert_eq!(found.calibration().unwrap().pass_cosine(), cosine);
}

#[test]
fn the_checked_bytes_are_the_loaded_bytes() {
    let content = b"weights";
    let folder =
        folder_with(&[("site.toml", site_manifest("site", content).as_bytes()), ("site.onnx", content)]);
    let catalogue = Catalogue::load(&[folder.path().to_owned()]).unwrap();
    let set = catalogue.set("site").unwrap();
    let file = catalogue.locate(&set, &set.embedder, Graph::Prepared).unwrap();
    fs::write(&file.path, b"replaced after the check").unwrap();
    assert_eq!(FileDigest::of(&file.bytes), file.sha256);
    let again = catalogue.locate(&set, &set.embedder, Graph::Prepared);
    assert!(matches!(again, Err(ModelError::WrongDigest { .. })));
}
