mod doubtful_labels;

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

/// Creates files without content. They are photos without a face, and no copies of each other.
fn touch(folder: &Path, names: &[&str]) {
    for name in names {
        fs::write(folder.join(name), "").unwrap();
    }
}

/// The labels of pairs.csv, which may name photos of these four persons.
fn from_pairs(files: &[(&str, &str)]) -> Result<Labelled, LabelError> {
    let folder = folder(files);
    for person in ["", "ann", "bob", "x"].map(|person| folder.path().join(person)) {
        fs::create_dir_all(&person).unwrap();
        touch(&person, &["1.jpg", "2.jpg", "3.jpg", "4.jpg"]);
    }
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
    assert!(error("a,b\n1.jpg,2.jpg\n").contains("there is no column `path_a`"));
    assert!(error("path_a,path_b,same\n").contains("fewer than two photos"));
}

#[test]
fn persons_have_folders_and_sources_are_not_mixed() {
    let (one, other) = (
        folder(&[("ann/1.jpg", ""), ("ann/2.PNG", ""), ("ann/notes.txt", ""), ("bob/1.jpeg", "")]),
        folder(&[("list.csv", "path,identity,group\na.jpg,ann,x\nb.jpg,eve,x\n")]),
    );
    touch(other.path(), &["a.jpg", "b.jpg"]);
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
    // An excluded photo need not exist.
    touch(photos.path(), &["a.jpg", "b.jpg", "c.jpg"]);
    let exclusions = Exclusions::read(&photos.path().join("wrong.csv")).unwrap();
    let labelled = Labelled::from_identities(&[photos.path().join("list.csv")], 100, exclusions).unwrap();
    let pairs: Vec<_> = labelled.pairs.iter().map(|pair| (pair.a, pair.b)).collect();
    assert_eq!(pairs, [(0, 2), (1, 2)]);
    let described = |text: &str| DescribedExclusion { source: 0, text: text.to_owned() };
    let expected = [described("d: another person"), described("b with a: twins")];
    assert_eq!(labelled.described_exclusions(), expected);
}

fn from_folder(folder: &Path) -> Labelled {
    Labelled::from_identities(&[folder.to_owned()], 100, Exclusions::default()).unwrap()
}

#[test]
fn dots_in_a_folders_name_belong_to_the_persons_name() {
    let folder = folder(&[
        ("budi.santoso/1.jpg", ""),
        ("budi.santoso/2.jpg", ""),
        ("budi.hartono/1.jpg", ""),
        ("Dr. Ani/1.jpg", ""),
    ]);
    let labelled = from_folder(folder.path());
    assert_eq!(labelled.persons(), 3);
    assert_eq!(labelled.all_genuine_pairs().len(), 1);
    assert_eq!(labelled.pairs.iter().filter(|pair| !pair.same).count(), 5);
}

#[test]
#[cfg(target_os = "linux")]
fn folder_names_that_are_not_utf_8_remain_different_persons() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = folder(&[]);
    for name in [b"jos\xe8", b"jos\xe9"] {
        let person = folder.path().join(std::ffi::OsStr::from_bytes(name));
        fs::create_dir(&person).unwrap();
        fs::write(person.join("1.jpg"), "").unwrap();
    }
    assert_eq!(from_folder(folder.path()).persons(), 2);
}

#[test]
fn photos_are_recognised_by_extension_in_any_case_or_by_content() {
    let folder = folder(&[
        ("ann/1.JPG", ""),
        ("ann/2.jfif", ""),
        ("ann/3.JFIF", ""),
        ("ann/4.Jpeg", ""),
        ("ann/5.jpe", ""),
        ("ann/6.PNG", ""),
        ("bob/a.jpg.download", "\u{89}"),
        ("bob/notes.txt", "no photo"),
    ]);
    fs::write(folder.path().join("bob/photo"), b"\xff\xd8\xff\xe0 and so on").unwrap();
    fs::write(folder.path().join("bob/picture.bin"), b"\x89PNG\r\n\x1a\n and so on").unwrap();
    let names =
        from_folder(folder.path()).photos.iter().map(|photo| photo.name.to_string()).collect::<Vec<_>>();
    let ann = ["ann/1.JPG", "ann/2.jfif", "ann/3.JFIF", "ann/4.Jpeg", "ann/5.jpe", "ann/6.PNG"];
    assert_eq!(names, [&ann[..], &["bob/photo", "bob/picture.bin"]].concat());
}

#[test]
fn every_file_that_is_not_read_is_listed_with_its_reason() {
    use SkipReason::{
        DeeperFolder, EmptyFolder, LinkedFolder, NoPhoto, OutsidePersonsFolder, SystemFile, Unreadable,
    };
    let folder = folder(&[
        ("ann/IMG_1.JPG", ""),
        ("ann/._IMG_1.JPG", ""),
        ("ann/Thumbs.db", ""),
        ("ann/notes.txt", ""),
        ("ann/more/2.jpg", ""),
        ("ann/more/deep/3.jpg", ""),
        ("bob/IMG_2.JPG", ""),
        ("__MACOSX/ann/._IMG_1.JPG", ""),
        (".DS_Store", ""),
        ("desktop.ini", ""),
        ("loose.jpg", ""),
    ]);
    fs::create_dir(folder.path().join("eve")).unwrap();
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(folder.path().join(target), folder.path().join(name)).unwrap();
    };
    link("ann", "aa");
    link("ann", "zoe");
    link("nowhere.jpg", "ann/IMG_3.JPG");
    let labelled = from_folder(folder.path());
    assert_eq!(labelled.photos.len(), 2);
    let skipped: Vec<_> = (labelled.skipped.iter())
        .map(|file| {
            let path = Path::new(&file.path).strip_prefix(folder.path()).unwrap();
            (path.to_str().unwrap(), file.reason)
        })
        .collect();
    let expected = [
        (".DS_Store", SystemFile),
        ("__MACOSX/ann/._IMG_1.JPG", SystemFile),
        ("aa", LinkedFolder),
        ("ann/._IMG_1.JPG", SystemFile),
        ("ann/IMG_3.JPG", Unreadable),
        ("ann/Thumbs.db", SystemFile),
        ("ann/more/2.jpg", DeeperFolder),
        ("ann/more/deep/3.jpg", DeeperFolder),
        ("ann/notes.txt", NoPhoto),
        ("desktop.ini", SystemFile),
        ("eve", EmptyFolder),
        ("loose.jpg", OutsidePersonsFolder),
        ("zoe", LinkedFolder),
    ];
    assert_eq!(skipped, expected);
}

#[test]
fn a_pipe_in_a_folder_is_skipped_and_not_waited_for() {
    let folder = folder(&[("ann/1.jpg", ""), ("bob/1.jpg", "")]);
    let pipe = folder.path().join("bob/2.jpg");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let labelled = from_folder(folder.path());
    assert_eq!((labelled.photos.len(), labelled.skipped.len()), (2, 1));
    assert_eq!(labelled.skipped[0].reason, SkipReason::NoPhoto);
}

#[test]
fn lists_from_spreadsheet_programs_give_the_same_labels() {
    let list = "path,identity,group\na.jpg,ann,x\nb.jpg,ann,x\nc.jpg,budi.santoso,y\n";
    let windows = list.replace('\n', "\r\n");
    let utf16 =
        |text: &str| format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    for bytes in [
        list.as_bytes().to_vec(),
        format!("\u{feff}{windows}").into_bytes(),
        windows.replace(',', ";").into_bytes(),
        format!("sep=;\r\n{}", windows.replace(',', ";")).into_bytes(),
        list.replace('\n', "\r").into_bytes(),
        utf16(&windows),
        utf16(&windows.replace(',', "\t")),
    ] {
        let folder = folder(&[]);
        let file = folder.path().join("list.csv");
        fs::write(&file, &bytes).unwrap();
        touch(folder.path(), &["a.jpg", "b.jpg", "c.jpg"]);
        let labelled = from_folder(&file);
        let photos: Vec<_> =
            labelled.photos.iter().map(|photo| (&*photo.name, photo.identity, photo.group)).collect();
        assert_eq!(
            photos,
            [("a.jpg", 0, Some(0)), ("b.jpg", 0, Some(0)), ("c.jpg", 1, Some(1))],
            "{:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
}

#[test]
fn a_list_that_would_give_wrong_rates_is_refused_with_its_line() {
    let error = |text: &[u8]| {
        let folder = folder(&[]);
        let file = folder.path().join("list.csv");
        fs::write(&file, text).unwrap();
        touch(folder.path(), &["a.jpg", "b.jpg", "c.jpg"]);
        fs::create_dir(folder.path().join("x")).unwrap();
        Labelled::from_identities(&[file], 100, Exclusions::default()).unwrap_err().to_string()
    };
    for (text, expected) in [
        (&b"path,identity\na.jpg,ann\nb.jpg,\n"[..], "line 3: the column identity is empty"),
        (b"path,identity\na.jpg,ann\nb.jpg\n", "line 3: the column identity is empty"),
        (b"path,identity\na.jpg,ann\na.jpg,bob\n", "line 3: a.jpg is already in line 2"),
        (b"path,identity\na,b.jpg,ann\nc.jpg,ann\n", "line 2: 3 fields, but the header has 2"),
        (b"path,identity\na.jpg,ann\n./a.jpg,ann\n", "line 3: ./a.jpg is already in line 2"),
        (
            b"path,identity\na.jpg,ann\nx/../a.jpg,ann\n",
            "line 3: x/../a.jpg is the same file as a.jpg in line 2",
        ),
        (b"path,identity\na.jpg,ann\nA.JPG,ann\n", "line 3: A.JPG does not exist in "),
        (b"path,identity\nd.jpg,ann\na.jpg,ann\n\ne.jpg,bob\n", "line 2: d.jpg does not exist in "),
        (
            b"path,identity\nd.jpg,ann\na.jpg,ann\n\ne.jpg,bob\n",
            "; 1 further paths in this list cannot be read",
        ),
        (b"path,identity\nx,ann\na.jpg,ann\n", "line 2: x is not a file"),
        (b"path,name\na.jpg,ann\n", "there is no column `identity`; the columns are: path, name"),
        (b"path,identity\na.jpg,Jos\xe9\n", "line 2 is not in UTF-8"),
        (b"PK\x03\x04", "a workbook of a spreadsheet program"),
    ] {
        let error = error(text);
        assert!(error.contains("list.csv: ") && error.contains(expected), "{error}");
    }
}

#[test]
fn true_and_false_are_read_in_the_case_of_spreadsheet_programs() {
    let labelled =
        from_pairs(&[("pairs.csv", "path_a;path_b;same\r\n1.jpg;2.jpg;TRUE\r\n1.jpg;3.jpg;FALSE\r\n")])
            .unwrap();
    assert_eq!(labelled.pairs.iter().map(|pair| pair.same).collect::<Vec<_>>(), [true, false]);
}
