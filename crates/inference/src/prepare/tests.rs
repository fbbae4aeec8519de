use super::*;
use crate::onnx::{
    AttributeProto, Dimension, DimensionValue, NodeProto, TensorProto, TensorShapeProto, TensorType,
    TypeProto, TypeValue, ValueInfoProto,
};

/// Numbers as a tensor has them.
pub(crate) fn encoded(values: &[f32]) -> Bytes {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A graph that applies `PRelu` to an image and reshapes the result, so that every step has something to do.
fn small_model(slopes: &[f32]) -> ModelProto {
    let channels = i64::try_from(slopes.len()).unwrap();
    let slope = TensorProto {
        dims: vec![channels, 1, 1],
        data_type: Some(onnx::FLOAT),
        float_data: encoded(slopes),
        name: Some("slope".to_owned()),
        ..TensorProto::default()
    };
    let shape = TensorProto {
        dims: vec![3],
        data_type: Some(7),
        int64_data: vec![1, -1, channels],
        name: Some("shape".to_owned()),
        ..TensorProto::default()
    };
    let graph = GraphProto {
        node: vec![node("PRelu", &["image", "slope"], "bent"), node("Reshape", &["bent", "shape"], "boxes")],
        input: vec![value("image", &[1, channels, 64, 64]), value("slope", &[channels, 1, 1])],
        output: vec![value("boxes", &[1, 4096, channels])],
        value_info: vec![value("bent", &[1, channels, 64, 64])],
        initializer: vec![slope, shape],
        ..GraphProto::default()
    };
    ModelProto { ir_version: Some(3), graph: Some(graph), ..ModelProto::default() }
}

/// A node of a graph.
pub(super) fn node(op_type: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(op_type.to_owned()),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

/// An input or output of a graph, in fp32.
pub(super) fn value(name: &str, sizes: &[i64]) -> ValueInfoProto {
    let dimension = |&size| Dimension { value: Some(DimensionValue::Known(size)), ..Dimension::default() };
    let shape = TensorShapeProto { dim: sizes.iter().map(dimension).collect() };
    let tensor = TensorType { elem_type: Some(onnx::FLOAT), shape: Some(shape) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        kind: Some(TypeProto { value: Some(TypeValue::Tensor(tensor)), ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}

fn prepared(model: &ModelProto, steps: &[PreparationStep]) -> Result<ModelProto, ModelError> {
    prepare(&model.encode_to_vec(), steps).map(|bytes| ModelProto::decode(&bytes[..]).unwrap())
}

/// Evaluates the graph for one value of each channel.
fn evaluate(graph: &GraphProto, input: &[f32]) -> Vec<f32> {
    let weights = |name: &str| -> Vec<f32> {
        let tensor = graph.initializer.iter().find(|tensor| tensor.name() == name).unwrap();
        tensor.raw_data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let mut values = std::collections::HashMap::from([("image", input.to_vec())]);
    for node in &graph.node {
        let first = values.get(node.input[0].as_str()).unwrap().clone();
        let pairs = |second: &[f32], f: fn(f32, f32) -> f32| {
            first.iter().zip(second).map(|(a, b)| f(*a, *b)).collect::<Vec<_>>()
        };
        let result = match node.op_type() {
            "Relu" => first.iter().map(|x| x.max(0.0)).collect(),
            "Add" => pairs(&values[node.input[1].as_str()], |a, b| a + b),
            "Conv" => {
                assert_eq!(
                    node.attribute[0].i,
                    i64::try_from(input.len()).ok(),
                    "one group for each channel"
                );
                pairs(&weights(&node.input[1]), |a, b| a * b)
            }
            "Reshape" => first.clone(),
            other => panic!("{other} was not expected"),
        };
        values.insert(&node.output[0], result);
    }
    values["boxes"].clone()
}

#[test]
fn weights_are_removed_from_the_inputs() {
    let model = prepared(&small_model(&[0.5, 0.25]), &[PreparationStep::WeightsOutOfInputs]).unwrap();
    let graph = model.graph.unwrap();
    assert_eq!(graph.input.iter().map(ValueInfoProto::name).collect::<Vec<_>>(), ["image"]);
    assert_eq!(graph.initializer.len(), 2);
    assert_eq!(model.ir_version, Some(4));
}

#[test]
fn weights_that_stay_encoded_are_removed_from_the_inputs_as_well() {
    for file in [small_model(&[0.5, 0.25]).encode_to_vec(), published("sface"), published("yunet")] {
        let decoded = prepare(&file, &[PreparationStep::WeightsOutOfInputs]).unwrap();
        let encoded = take_weights_out_of_inputs(file).unwrap();
        assert!(encoded == decoded, "{} bytes instead of {}, or others", encoded.len(), decoded.len());
    }
}

#[test]
fn a_rewritten_prelu_computes_the_same() {
    for slopes in [[0.25, -0.5, 1.0], [0.25, 1.5, 0.0]] {
        let steps = [PreparationStep::WeightsOutOfInputs, PreparationStep::PreluByConvolutions];
        let graph = prepared(&small_model(&slopes), &steps).unwrap().graph.unwrap();
        assert!(graph.node.iter().all(|node| node.op_type() != "PRelu"));
        assert!(graph.initializer.iter().all(|weight| weight.name() != "slope"), "an unused weight was kept");
        for input in [[2.0, 3.0, 4.0], [-2.0, -3.0, -4.0], [0.0, -1.0, 1.0]] {
            let expected: Vec<f32> =
                input.iter().zip(slopes).map(|(x, s)| if *x > 0.0 { *x } else { s * x }).collect();
            assert_eq!(evaluate(&graph, &input), expected, "slopes {slopes:?}");
        }
    }
}

#[test]
fn a_prelu_with_one_slope_is_unchanged() {
    let model = small_model(&[0.5]);
    assert_eq!(prepared(&model, &[PreparationStep::PreluByConvolutions]).unwrap(), model);
}

/// A fully connected layer of two rows with a bias.
fn fully_connected(weights: &[f32], alpha: f32) -> ModelProto {
    let inputs = i64::try_from(weights.len() / 2).unwrap();
    let tensor = |name: &str, dims: &[i64], values: &[f32]| TensorProto {
        dims: dims.to_vec(),
        data_type: Some(onnx::FLOAT),
        float_data: encoded(values),
        name: Some(name.to_owned()),
        ..TensorProto::default()
    };
    let attribute = |name: &str| onnx::AttributeProto { name: Some(name.to_owned()), ..Default::default() };
    let mut gemm = node("Gemm", &["features", "weights", "bias"], "embedding");
    gemm.attribute = vec![
        onnx::AttributeProto { f: Some(alpha), ..attribute("alpha") },
        onnx::AttributeProto { i: Some(1), ..attribute("transB") },
    ];
    let graph = GraphProto {
        node: vec![gemm],
        input: vec![value("features", &[1, inputs])],
        output: vec![value("embedding", &[1, 2])],
        initializer: vec![tensor("weights", &[2, inputs], weights), tensor("bias", &[2], &[1.0, -1.0])],
        ..GraphProto::default()
    };
    ModelProto { ir_version: Some(4), graph: Some(graph), ..ModelProto::default() }
}

#[test]
fn eight_bit_weights_differ_by_at_most_1_in_254_of_the_largest_in_their_block() {
    let weights: Vec<f32> = (0_i16..128).map(|at| f32::from(at * 37 % 101 - 50) * 0.01).collect();
    let model = prepared(&fully_connected(&weights, 1.0), &[PreparationStep::EightBitGemm]).unwrap();
    let graph = model.graph.unwrap();
    let layer = &graph.node[0];
    assert_eq!((layer.op_type(), layer.domain()), ("MatMulNBits", "com.microsoft"));
    assert_eq!(
        model.opset_import.iter().map(onnx::OperatorSetIdProto::domain).collect::<Vec<_>>(),
        ["com.microsoft"]
    );
    assert_eq!(layer.input, ["features", "embedding/gemm/packed", "embedding/gemm/scales", "", "", "bias"]);
    let attributes: Vec<_> = layer.attribute.iter().map(|a| (a.name(), a.i())).collect();
    assert_eq!(attributes[..4], [("K", 64), ("N", 2), ("bits", 8), ("block_size", 32)]);

    let kept: Vec<_> = graph.initializer.iter().map(TensorProto::name).collect();
    assert_eq!(kept, ["bias", "embedding/gemm/packed", "embedding/gemm/scales"]);
    assert_eq!(graph.initializer[1].dims, [2, 2, 32]);
    let scales: Vec<f32> =
        graph.initializer[2].raw_data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    for (block, scale) in scales.iter().enumerate() {
        let range = block * 32..(block + 1) * 32;
        let largest = weights[range.clone()].iter().fold(0.0_f32, |l, w| l.max(w.abs()));
        assert!((scale * 127.0 - largest).abs() < 1e-6, "block {block}");
        for (weight, packed) in weights[range.clone()].iter().zip(&graph.initializer[1].raw_data()[range]) {
            let read = (f32::from(*packed) - 128.0) * scale;
            assert!((read - weight).abs() <= largest / 254.0 + 1e-6, "{weight} was kept as {read}");
        }
    }
}

#[test]
fn a_layer_that_scales_or_has_partial_blocks_is_unchanged() {
    for model in [fully_connected(&[0.5; 128], 2.0), fully_connected(&[0.5; 96], 1.0)] {
        assert_eq!(prepared(&model, &[PreparationStep::EightBitGemm]).unwrap(), model);
    }
}

#[test]
fn weights_whose_declared_size_overflows_are_refused() {
    let mut model = fully_connected(&[0.5; 128], 1.0);
    model.graph.as_mut().unwrap().initializer[0].dims = vec![i64::MAX, 64];
    let error = prepared(&model, &[PreparationStep::EightBitGemm]).unwrap_err();
    assert!(error.to_string().ends_with("tensor weights: expected float32 data of its declared size"));
}

/// Found by the fuzz target `onnx`.
#[test]
fn a_layer_without_an_output_is_unchanged() {
    let mut model = fully_connected(&[0.5; 128], 1.0);
    model.graph.as_mut().unwrap().node[0].output.clear();
    assert_eq!(prepared(&model, &[PreparationStep::EightBitGemm]).unwrap(), model);
}

#[test]
fn height_and_width_become_symbolic() {
    let steps = [PreparationStep::WeightsOutOfInputs, PreparationStep::DynamicSize];
    let graph = prepared(&small_model(&[0.5, 0.5]), &steps).unwrap().graph.unwrap();
    let named =
        |name: &str| Dimension { value: Some(DimensionValue::Named(name.to_owned())), denotation: None };
    let Some(TypeValue::Tensor(tensor)) = graph.input[0].kind.clone().unwrap().value else { panic!() };
    assert_eq!(tensor.shape.unwrap().dim[2..], [named("height"), named("width")]);
    let Some(TypeValue::Tensor(tensor)) = graph.output[0].kind.clone().unwrap().value else { panic!() };
    assert_eq!(tensor.shape.unwrap().dim[1], named("anchors"));
    assert!(graph.value_info.is_empty());
}

#[test]
fn a_reshape_to_a_fixed_size_is_refused() {
    let mut model = small_model(&[0.5, 0.5]);
    model.graph.as_mut().unwrap().initializer[1].int64_data = vec![1, 4096, 2];
    let error = prepared(&model, &[PreparationStep::DynamicSize]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model cannot be prepared: the shape of the Reshape to boxes has no size of -1"
    );
}

#[test]
fn an_input_is_renamed_everywhere() {
    let rename = PreparationStep::Rename { from: "image".to_owned(), to: "input".to_owned() };
    let graph = prepared(&small_model(&[0.5, 0.5]), std::slice::from_ref(&rename)).unwrap().graph.unwrap();
    assert_eq!(graph.input[0].name(), "input");
    assert_eq!(graph.node[0].input[0], "input");

    let unknown = PreparationStep::Rename { from: "nothing".to_owned(), to: "input".to_owned() };
    let error = prepared(&small_model(&[0.5, 0.5]), &[unknown]).unwrap_err();
    assert!(error.to_string().contains("no input or output named nothing"));
    let taken = PreparationStep::Rename { from: "image".to_owned(), to: "bent".to_owned() };
    assert!(prepared(&small_model(&[0.5, 0.5]), &[taken]).unwrap_err().to_string().contains("inner value"));
}

#[test]
fn preparing_a_prepared_file_changes_nothing() {
    let steps = [
        PreparationStep::WeightsOutOfInputs,
        PreparationStep::PreluByConvolutions,
        PreparationStep::DynamicSize,
        PreparationStep::Rename { from: "image".to_owned(), to: "input".to_owned() },
    ];
    let once = prepare(&small_model(&[0.5, 1.5]).encode_to_vec(), &steps).unwrap();
    assert_eq!(prepare(&once, &steps).unwrap(), once);
    let steps = [PreparationStep::EightBitGemm];
    let once = prepare(&fully_connected(&[0.5; 128], 1.0).encode_to_vec(), &steps).unwrap();
    assert_eq!(prepare(&once, &steps).unwrap(), once);
}

#[test]
fn without_steps_the_bytes_are_returned_unread() {
    assert_eq!(prepare(b"anything", &[]).unwrap(), b"anything");
}

#[test]
fn a_file_without_a_graph_is_refused() {
    for bytes in [&b"\xff\xff\xff"[..], b"<html>not found</html>", b""] {
        assert!(matches!(prepare(bytes, &[PreparationStep::WeightsOutOfInputs]), Err(ModelError::Graph(_))));
        assert!(matches!(take_weights_out_of_inputs(bytes.to_vec()), Err(ModelError::Graph(_))));
    }
}

#[test]
fn weights_in_a_second_file_are_refused() {
    let mut model = small_model(&[0.5, 0.5]);
    model.graph.as_mut().unwrap().initializer[0].data_location = Some(onnx::EXTERNAL);
    for error in [
        prepared(&model, &[PreparationStep::PreluByConvolutions]).unwrap_err(),
        take_weights_out_of_inputs(model.encode_to_vec()).unwrap_err(),
    ] {
        assert!(error.to_string().ends_with("save the model as one file first"));
    }
}

/// A published file, which `make deps` keeps beside the prepared one.
fn published(model: &str) -> Vec<u8> {
    let path = format!("{}/../../.deps/models/{model}.original.onnx", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}; run `make deps`"))
}

#[test]
fn a_published_file_survives_a_round_trip_byte_for_byte() {
    for model in ["yunet", "sface", "mobilefacenet"] {
        let bytes = published(model);
        // A step that changes nothing, so that the file is read and written.
        let name = ModelProto::decode(&bytes[..]).unwrap().graph.unwrap().input[0].name().to_owned();
        let rewritten =
            prepare(&bytes, &[PreparationStep::Rename { from: String::new(), to: name }]).unwrap();
        assert_eq!(rewritten.len(), bytes.len(), "{model}");
        assert!(rewritten == bytes, "{model}");
    }
}

#[test]
fn the_published_files_give_the_digests_of_their_manifests() {
    let catalogue = crate::catalogue::Catalogue::load(&[]).unwrap();
    // Files without a source are not installed by `make deps`.
    let with_source =
        catalogue.manifests().iter().filter(|manifest| !manifest.canonical().sources.is_empty());
    for manifest in with_source {
        let bytes = published(&manifest.name);
        let export = manifest
            .export_of(crate::manifest::Graph::Original, crate::digest::FileDigest::of(&bytes))
            .unwrap_or_else(|| panic!("{} has another digest; run `make deps`", manifest.name));
        let digest = crate::digest::FileDigest::of(&prepare(&bytes, &export.prepare).unwrap());
        assert_eq!(digest, export.prepared_sha256, "{}", manifest.name);
    }
}

/// A graph with two heads, one of which reads a weight in an inner graph.
fn model_with_two_heads() -> ModelProto {
    let weight = |name: &str| TensorProto { name: Some(name.to_owned()), ..TensorProto::default() };
    let inner = GraphProto { node: vec![node("Identity", &["inner"], "chosen")], ..GraphProto::default() };
    let choice = AttributeProto { g: Some(inner), ..AttributeProto::default() };
    let graph = GraphProto {
        node: vec![
            node("Conv", &["image", "stem"], "features"),
            node("Conv", &["features", "fine"], "fine_scores"),
            NodeProto { attribute: vec![choice], ..node("If", &["features"], "coarse_scores") },
        ],
        input: vec![value("image", &[1])],
        output: vec![value("fine_scores", &[1]), value("coarse_scores", &[1])],
        value_info: vec![value("features", &[1]), value("fine_scores", &[1])],
        initializer: ["stem", "fine", "inner"].map(weight).to_vec(),
        ..GraphProto::default()
    };
    ModelProto { graph: Some(graph), ..ModelProto::default() }
}

#[test]
fn a_part_of_a_graph_has_what_its_outputs_need() {
    let part = |outputs: &[&str]| {
        let bytes = graph_part(&model_with_two_heads().encode_to_vec(), outputs).unwrap();
        let graph = ModelProto::decode(&bytes[..]).unwrap().graph.unwrap();
        let outputs: Vec<_> = graph.output.iter().map(|output| output.name().to_owned()).collect();
        let weights: Vec<_> = graph.initializer.iter().map(|weight| weight.name().to_owned()).collect();
        let operations: Vec<_> = graph.node.iter().map(|node| node.op_type().to_owned()).collect();
        let described: Vec<_> = graph.value_info.iter().map(|value| value.name().to_owned()).collect();
        (outputs.join(" "), weights.join(" "), operations.join(" "), described.join(" "))
    };
    let expected = ["fine_scores", "stem fine", "Conv Conv", "features fine_scores"].map(str::to_owned);
    assert_eq!(<[String; 4]>::from(part(&["fine_scores"])), expected);
    let expected = ["coarse_scores", "stem inner", "Conv If", "features"].map(str::to_owned);
    assert_eq!(<[String; 4]>::from(part(&["coarse_scores"])), expected);
}

#[test]
fn a_part_without_one_of_its_outputs_is_refused() {
    let refused = graph_part(&model_with_two_heads().encode_to_vec(), &["fine_scores", "boxes"]);
    assert!(refused.unwrap_err().to_string().contains("there is no output named boxes"));
    assert!(graph_part(b"no graph", &[]).is_err());
}
