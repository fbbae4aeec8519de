//! Names in several Unicode normal forms, files that are missing or there twice, and exclusions without effect.

use super::*;

/// é as one character, as most programs write it, and as e with a combining accent, as a Mac does.
const NFC: &str = "Jos\u{e9}";
const NFD: &str = "Jose\u{301}";

#[test]
fn unicode_normal_forms_of_a_name_are_one_person() {
    let folders = folder(&[(&format!("{NFC}/1.jpg"), ""), (&format!("{NFD}/2.jpg"), ""), ("bob/1.jpg", "")]);
    let list = format!("path,identity\n1.jpg,{NFC}\n2.jpg,{NFD}\n3.jpg,bob\n");
    let listed = folder(&[("identity.csv", &list)]);
    touch(listed.path(), &["1.jpg", "2.jpg", "3.jpg"]);
    for labelled in [from_folder(folders.path()), from_folder(listed.path())] {
        assert_eq!((labelled.persons(), labelled.all_genuine_pairs().len()), (2, 1));
    }
    let pairs =
        [("identity.csv", &*list), ("pairs.csv", "path_a,path_b,same\n1.jpg,2.jpg,1\n2.jpg,3.jpg,0\n")];
    assert_eq!(from_pairs(&pairs).unwrap().persons(), 2);
}

#[test]
fn listed_files_are_found_in_the_other_normal_form_and_with_the_other_separator() {
    for (file, listed) in [
        (format!("{NFD}/{NFD}.jpg"), format!("{NFC}/{NFC}.jpg")),
        (format!("{NFC}/{NFD}.jpg"), format!("{NFD}\\{NFC}.jpg")),
        (format!("{NFC}/a b.jpg"), format!(".\\{NFC}\\a b.jpg")),
    ] {
        let list = format!("path,identity\n{listed},ann\n1.jpg,bob\n");
        let pairs = format!("path_a,path_b,same\n{listed},1.jpg,0\n");
        let folder = folder(&[(&file, "x"), ("list.csv", &list), ("pairs.csv", &pairs), ("1.jpg", "y")]);
        let path = folder.path();
        let from_pairs = Labelled::from_pairs(&path.join("pairs.csv"), path, Exclusions::default()).unwrap();
        for labelled in [from_folder(&path.join("list.csv")), from_pairs] {
            assert_eq!(fs::read(&labelled.photos[0].file).unwrap(), b"x", "{listed}");
        }
    }
}

#[test]
fn pairs_that_would_give_wrong_rates_are_refused_with_their_line() {
    let error = |rows: &str| {
        let pairs = format!("path_a,path_b,same\n1.jpg,2.jpg,1\n{rows}");
        let copies = [("pairs.csv", &*pairs), ("c.jpg", "copy"), ("d.jpg", "copy")];
        from_pairs(&copies).unwrap_err().to_string()
    };
    for (rows, expected) in [
        ("1.jpg,5.jpg,0\n", "line 3: 5.jpg does not exist in "),
        ("6.jpg,5.jpg,0\n", "; 1 further paths in this list cannot be read either"),
        ("1.jpg,3.jpg,0\n1.jpg,./1.jpg,1\n", "line 4: 1.jpg and 1.jpg are the same photo"),
        ("c.jpg,d.jpg,1\n", "line 3: c.jpg and d.jpg are the same photo"),
        ("c.jpg,d.jpg,0\n", "line 3: c.jpg and d.jpg are the same photo"),
        ("2.jpg,1.jpg,0\n", "line 3: 2.jpg and 1.jpg have the other label in line 2"),
        ("1.jpg,c.jpg,0\nd.jpg,1.jpg,1\n", "line 4: d.jpg and 1.jpg have the other label in line 3"),
    ] {
        let error = error(rows);
        assert!(error.contains("pairs.csv: ") && error.contains(expected), "{error}");
    }
}

#[test]
fn copies_of_a_photo_are_left_out_and_copies_with_another_label_are_reported() {
    let folder = folder(&[
        ("ann/1.jpg", "one"),
        ("ann/2.jpg", "two"),
        ("ann/3.jpg", "one"),
        ("bob/1.jpg", "one"),
        ("bob/2.jpg", "one"),
        ("bob/3.jpg", ""),
        ("wrong.csv", "path,with,reason\nbob\\1.jpg,ann/1.jpg,one photo\n"),
    ]);
    let named = |name: &str| folder.path().join(name).display().to_string();
    let labelled = from_folder(folder.path());
    let names: Vec<_> = labelled.photos.iter().map(|photo| &*photo.name).collect();
    assert_eq!(names, ["ann/1.jpg", "ann/2.jpg", "bob/1.jpg", "bob/3.jpg"]);
    let copies = labelled.skipped.iter().filter(|file| file.reason == SkipReason::Copy);
    assert_eq!(copies.map(|file| &file.path).collect::<Vec<_>>(), [&named("ann/3.jpg"), &named("bob/2.jpg")]);
    let copy = CopiedPhoto { path: named("bob/1.jpg"), copy_of: named("ann/1.jpg") };
    assert_eq!(labelled.copies, [copy]);

    let exclusions = Exclusions::read(&folder.path().join("wrong.csv")).unwrap();
    let labelled = Labelled::from_identities(&[folder.path().into()], 100, exclusions).unwrap();
    assert_eq!(labelled.copies, [], "the pair is known to be wrong");
    assert_eq!(labelled.unmatched_exclusions().len(), 0);
}

#[test]
fn exclusions_of_photos_that_are_not_there_are_told_from_those_that_are() {
    let folder = folder(&[
        ("ann/1.jpg", ""),
        (&format!("ann/{NFD}.jpg"), ""),
        ("bob/1.jpg", ""),
        ("bob/2.jpg", ""),
        (
            "wrong.csv",
            &format!(
                "path,with,reason\nann\\{NFC}.jpg,,x\nbob/9.jpg,,x\nbob/1.jpg,ann/1.jpg,x\nbob/1.jpg,ann/9.jpg,x\n"
            ),
        ),
        ("pairs.csv", "path_a,path_b,same\nbob/1.jpg,ann/1.jpg,0\nbob/1.jpg,bob/2.jpg,1\n"),
    ]);
    let exclusions = || Exclusions::read(&folder.path().join("wrong.csv")).unwrap();
    let effect = |labelled: &Labelled| {
        let unmatched = labelled.unmatched_exclusions().into_iter();
        let unmatched: Vec<_> = unmatched.map(|entry| (entry.path.clone(), entry.with.clone())).collect();
        (labelled.matched_exclusions().len(), unmatched)
    };
    let missing = |path: &str, with: Option<&str>| (path.to_owned(), with.map(str::to_owned));
    let labelled = Labelled::from_identities(&[folder.path().into()], 100, exclusions()).unwrap();
    assert_eq!(labelled.photos.len(), 3);
    let expected = vec![missing("bob/9.jpg", None), missing("bob/1.jpg", Some("ann/9.jpg"))];
    assert_eq!(effect(&labelled), (2, expected.clone()));

    let labelled =
        Labelled::from_pairs(&folder.path().join("pairs.csv"), folder.path(), exclusions()).unwrap();
    assert_eq!(labelled.pairs.len(), 1);
    let of_pairs = [vec![missing(&format!("ann/{NFC}.jpg"), None)], expected].concat();
    assert_eq!(effect(&labelled), (1, of_pairs));
}

#[test]
fn nothing_to_compare_says_what_was_skipped() {
    let folder = folder(&[("photos/ann/1.jpg", ""), ("photos/bob/1.jpg", ""), ("loose.jpg", "")]);
    let error = Labelled::from_identities(&[folder.path().into()], 100, Exclusions::default()).unwrap_err();
    let expected = "; skipped: 3 files, 1 not in a person's folder, 2 in a folder within a person's folder";
    assert!(error.to_string().ends_with(expected), "{error}");
    let LabelError::NothingToCompare { skipped, .. } = error else { panic!("{error}") };
    assert_eq!(skipped.len(), 3);
}

#[test]
fn a_source_that_is_given_twice_is_refused() {
    let folder = folder(&[("ann/1.jpg", ""), ("bob/1.jpg", "")]);
    let sources = [folder.path().to_owned(), folder.path().join("ann/..")];
    let error = Labelled::from_identities(&sources, 100, Exclusions::default()).unwrap_err();
    assert!(error.to_string().ends_with("this source is given twice"), "{error}");
}

#[test]
fn the_list_of_identities_has_its_name_in_any_case_and_may_end_with_control_z() {
    let folder = folder(&[("Identity.CSV", "path,identity\r\n1.jpg,ann\r\n2.jpg,ann\r\n\u{1a}")]);
    touch(folder.path(), &["1.jpg", "2.jpg"]);
    let labelled = from_folder(folder.path());
    assert_eq!(labelled.identities_from, Some("an identity list"));
    assert_eq!((labelled.photos.len(), labelled.persons()), (2, 1));
}
