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

fn from_pairs(files: &[(&str, &str)]) -> Result<Labelled, LabelError> {
    let folder = folder(files);
    Labelled::from_pairs(&folder.path().join("pairs.csv"), folder.path(), Exclusions::default())
}

#[test]
fn folders_are_identities_when_they_agree_with_the_pairs() {
    let labelled =
        from_pairs(&[("pairs.csv", "path_a,path_b,same\nann/1.jpg,ann/2.jpg,1\nann/1.jpg,bob/1.jpg,0\n")])
            .unwrap();
    assert_eq!(labelled.identities_from, Some("folder names"));
    assert_eq!((labelled.photos.len(), labelled.persons()), (3, 2));
    assert!(labelled.are_impostors(0, 2) && !labelled.are_impostors(0, 1));
}

#[test]
fn folders_that_contradict_the_pairs_are_ignored() {
    let labelled = from_pairs(&[(
        "pairs.csv",
        "path_a,path_b,same,fold\nx/1.jpg,x/2.jpg,1,a\nx/2.jpg,x/3.jpg,1,a\nx/1.jpg,x/4.jpg,0,b\n",
    )])
    .unwrap();
    assert_eq!(labelled.identities_from, None);
    assert_eq!(labelled.persons(), 2, "genuine pairs join 1, 2 and 3");
    assert_eq!(labelled.pairs.iter().map(|pair| pair.fold).collect::<Vec<_>>(), [Some(0), Some(0), Some(1)]);
    assert_eq!(labelled.all_genuine_pairs(), [(0, 1), (0, 2), (1, 2)]);
}

#[test]
fn a_list_of_identities_takes_precedence_over_folders() {
    let labelled = from_pairs(&[
        ("pairs.csv", "path_a,path_b,same\n1.jpg,2.jpg,1\n1.jpg,3.jpg,0\n"),
        ("identity.csv", "path,identity,group\n1.jpg,ann,x\n2.jpg,ann,x\n3.jpg,bob,y\n"),
    ])
    .unwrap();
    assert_eq!(labelled.identities_from, Some("an identity list"));
    assert_eq!(labelled.groups, ["x", "y"]);
    assert_eq!(
        labelled.photos.iter().map(|photo| photo.group).collect::<Vec<_>>(),
        [Some(0), Some(0), Some(1)]
    );
    let missing = from_pairs(&[
        ("pairs.csv", "path_a,path_b,same\n1.jpg,2.jpg,1\n"),
        ("identity.csv", "path,identity\n1.jpg,ann\n"),
    ]);
    assert!(missing.unwrap_err().to_string().contains("2.jpg is missing, but is in the list of pairs"));
}

#[test]
fn a_malformed_list_is_reported_with_its_line() {
    let error = |text: &str| from_pairs(&[("pairs.csv", text)]).unwrap_err().to_string();
    assert!(
        error("path_a,path_b,same\n1.jpg,2.jpg,maybe\n")
            .contains("line 2: expected 1 or 0 in the column same, found \"maybe\"")
    );
    assert!(error("a,b\n1.jpg,2.jpg\n").contains("missing field `path_a`"));
    assert!(error("path_a,path_b,same\n").contains("fewer than two photos"));
}

#[test]
fn persons_have_folders_and_sources_are_not_mixed() {
    let (one, other) = (
        folder(&[("ann/1.jpg", ""), ("ann/2.PNG", ""), ("ann/notes.txt", ""), ("bob/1.jpeg", "")]),
        folder(&[("list.csv", "path,identity,group\na.jpg,ann,x\nb.jpg,eve,x\n")]),
    );
    let sources = [one.path().to_owned(), other.path().join("list.csv")];
    let labelled = Labelled::from_identities(&sources, 100, Exclusions::default()).unwrap();
    let names: Vec<_> = labelled.photos.iter().map(|photo| &*photo.name).collect();
    assert_eq!(names, ["ann/1.jpg", "ann/2.PNG", "bob/1.jpeg", "a.jpg", "b.jpg"]);
    assert_eq!(labelled.persons(), 4, "ann of one source is not ann of the other");
    let pairs: Vec<_> = labelled.pairs.iter().map(|pair| (pair.a, pair.b, pair.same)).collect();
    assert_eq!(pairs, [(0, 1, true), (0, 2, false), (1, 2, false), (3, 4, false)]);
    assert_eq!(labelled.pairs[3].group, Some(0));
}

#[test]
fn sampled_pairs_are_reproducible_and_as_many_as_requested() {
    let files: Vec<_> = (0..40).map(|n| (format!("p{n}/1.jpg"), "")).collect();
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let folder = folder(&files);
    let drawn =
        || Labelled::from_identities(&[folder.path().into()], 50, Exclusions::default()).unwrap().pairs;
    assert_eq!(drawn().len(), 50);
    assert_eq!(drawn(), drawn());
}

#[test]
fn excluded_photos_and_pairs_are_not_compared_and_are_described() {
    let photos = folder(&[
        ("list.csv", "path,identity\na.jpg,ann\nb.jpg,bob\nc.jpg,cid\nd.jpg,dan\n"),
        ("wrong.csv", "path,with,reason\nd.jpg,,another person\nb.jpg,a.jpg,twins\n"),
    ]);
    let exclusions = Exclusions::read(&photos.path().join("wrong.csv")).unwrap();
    let labelled = Labelled::from_identities(&[photos.path().join("list.csv")], 100, exclusions).unwrap();
    let pairs: Vec<_> = labelled.pairs.iter().map(|pair| (pair.a, pair.b)).collect();
    assert_eq!(pairs, [(0, 2), (1, 2)]);
    let described = |text: &str| DescribedExclusion { source: 0, text: text.to_owned() };
    let expected = [described("d: another person"), described("b with a: twins")];
    assert_eq!(labelled.described_exclusions(), expected);
}
