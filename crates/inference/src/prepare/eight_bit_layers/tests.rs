use super::*;
use crate::{onnx::ValueInfoProto, prepare::tests::encoded};

/// Two output channels of one input channel, and a `Dropout` before them.
fn model(weights: &[f32]) -> ModelProto {
    let tensor = |name: &str, dims: &[i64], values: &[f32]| TensorProto {
        dims: dims.to_vec(),
        data_type: Some(onnx::FLOAT),
        float_data: encoded(values),
        name: Some(name.to_owned()),
        ..TensorProto::default()
    };
    let value = |name: &str| ValueInfoProto { name: Some(name.to_owned()), ..ValueInfoProto::default() };
    let graph = GraphProto {
        node: vec![
            node("Relu", "first", &["image"], "positive"),
            node("Dropout", "drop", &["positive"], "kept"),
            node("Conv", "mix", &["kept", "weights", "bias"], "mixed"),
        ],
        input: vec![value("image"), value("weights")],
        output: vec![value("mixed")],
        initializer: vec![tensor("weights", &[2, 2, 1, 1], weights), tensor("bias", &[2], &[1.0, -1.0])],
        ..GraphProto::default()
    };
    let set = OperatorSetIdProto { domain: None, version: Some(11) };
    ModelProto { ir_version: Some(3), graph: Some(graph), opset_import: vec![set], ..ModelProto::default() }
}

fn node(operator: &str, name: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(operator.to_owned()),
        name: Some(name.to_owned()),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

fn layer(from: f32, to: f32) -> EightBitLayer {
    EightBitLayer { layer: "mix".to_owned(), from, to }
}

fn rewritten(model: &ModelProto, layer: EightBitLayer) -> Result<ModelProto, ModelError> {
    let bytes = with_eight_bit_layers(model.encode_to_vec(), &[layer])?;
    Ok(ModelProto::decode(&bytes[..]).unwrap())
}

fn refusal(model: &ModelProto) -> String {
    rewritten(model, layer(-1.0, 1.0)).unwrap_err().to_string()
}

fn tensor<'a>(graph: &'a GraphProto, part: &str) -> &'a TensorProto {
    let name = format!("mix/int8/{part}");
    graph.initializer.iter().find(|tensor| tensor.name() == name).unwrap()
}

fn scales(graph: &GraphProto, part: &str) -> Vec<f32> {
    tensor(graph, part).raw_data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[test]
fn a_layer_reads_a_rounded_input_and_rounded_weights() {
    let model = rewritten(&model(&[1.27, -0.635, 0.0, 0.0]), layer(-1.0, 4.1)).unwrap();
    assert_eq!((model.opset_import[0].version(), model.ir_version()), (13, 7));
    let graph = model.graph.unwrap();
    let operators: Vec<_> = graph.node.iter().map(NodeProto::op_type).collect();
    assert_eq!(operators, ["Relu", "QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "Conv"]);
    assert_eq!(graph.node[1].input, ["positive", "mix/int8/step", "mix/int8/zero"]);
    assert_eq!(graph.node[4].input, ["mix/int8/input", "mix/int8/weights", "bias"]);
    // 255 steps from -1 to 4.1 are 0.02 each, and 0 is 50 steps above -1.
    assert!((scales(&graph, "step")[0] - 0.02).abs() < 1e-6);
    assert_eq!((tensor(&graph, "zero").data_type(), tensor(&graph, "zero").raw_data()), (2, &[50_u8][..]));
    // The first row has steps of 0.01: 127 and -63.5, which is rounded away from 0. The second one is all zeros.
    assert!((scales(&graph, "steps_of_weights")[0] - 0.01).abs() < 1e-6);
    let weights = tensor(&graph, "rounded_weights");
    assert_eq!((weights.data_type(), &weights.dims[..]), (3, &[2, 2, 1, 1][..]));
    let integers: Vec<_> = weights.raw_data().iter().map(|byte| byte.cast_signed()).collect();
    assert_eq!((integers[0], &integers[2..]), (127, &[0, 0][..]));
    assert!([-63, -64].contains(&integers[1]));
    let kept: Vec<_> = graph.initializer.iter().map(TensorProto::name).collect();
    assert!(!kept.contains(&"weights"), "the weights in fp32 were kept");
    assert_eq!(graph.input.iter().map(ValueInfoProto::name).collect::<Vec<_>>(), ["image"]);
}

#[test]
fn a_range_around_zero_has_signed_integers() {
    let graph = rewritten(&model(&[0.5; 4]), layer(-2.54, 2.54)).unwrap().graph.unwrap();
    assert!((scales(&graph, "step")[0] - 0.02).abs() < 1e-6);
    assert_eq!((tensor(&graph, "zero").data_type(), tensor(&graph, "zero").raw_data()), (3, &[0_u8][..]));
}

#[test]
fn a_layer_that_is_missing_or_has_no_rows_is_refused() {
    let mut without = model(&[0.5; 4]);
    without.graph.as_mut().unwrap().node[2].name = Some("other".to_owned());
    let mut by_columns = model(&[0.5; 4]);
    by_columns.graph.as_mut().unwrap().node[2].op_type = Some("Gemm".to_owned());
    let mut computed = model(&[0.5; 4]);
    computed.graph.as_mut().unwrap().node[2].input[1] = "kept".to_owned();
    for model in [without, by_columns, computed] {
        let refusal = refusal(&model);
        assert!(refusal.contains("no Conv or Gemm with rows of weights named mix"), "{refusal}");
    }
}

#[test]
fn names_that_are_taken_are_refused() {
    let mut taken = model(&[0.5; 4]);
    taken.graph.as_mut().unwrap().node[0].output[0] = "mix/int8/weights".to_owned();
    assert!(refusal(&taken).contains("mix/int8/weights is already the name of a value"));
}

#[test]
fn operators_that_other_versions_compute_in_another_way_are_refused() {
    let mut changed = model(&[0.5; 4]);
    changed.graph.as_mut().unwrap().node[0].op_type = Some("Softmax".to_owned());
    assert!(refusal(&changed).contains("Softmax may compute something else in version 13"));
    changed.opset_import[0].version = Some(13);
    assert!(rewritten(&changed, layer(-1.0, 1.0)).is_ok());
    let mut old = model(&[0.5; 4]);
    old.opset_import[0].version = Some(6);
    assert!(refusal(&old).contains("its operators are of version 6"));
}
