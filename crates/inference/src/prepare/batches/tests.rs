use super::*;
use crate::{
    onnx::{AttributeProto, ModelProto},
    prepare::tests::{node, value},
};

/// A graph of two Reshapes with one shape, of which the second reshapes a weight.
fn model(shape: &[i64], batch: i64) -> ModelProto {
    let tensor = |name: &str, values: &[i64]| TensorProto {
        dims: vec![i64::try_from(values.len()).unwrap()],
        data_type: Some(onnx::INT64),
        int64_data: values.to_vec(),
        name: Some(name.to_owned()),
        ..TensorProto::default()
    };
    let literal_zeros = AttributeProto {
        i: Some(1),
        ..AttributeProto { name: Some("allowzero".into()), ..AttributeProto::default() }
    };
    let of_face = NodeProto { attribute: vec![literal_zeros], ..node("Reshape", &["bent", "shape"], "row") };
    let graph = GraphProto {
        node: vec![
            node("Relu", &["image"], "bent"),
            of_face,
            node("Reshape", &["weight", "shape"], "bias"),
            node("Add", &["row", "bias"], "embedding"),
        ],
        input: vec![value("image", &[batch, 2, 2, 2]), value("weight", &[8])],
        output: vec![value("embedding", &[batch, 8])],
        value_info: vec![value("bent", &[batch, 2, 2, 2])],
        initializer: vec![tensor("shape", shape), tensor("weight", &[1; 8])],
        ..GraphProto::default()
    };
    ModelProto { graph: Some(graph), ..ModelProto::default() }
}

fn rewritten(shape: &[i64], batch: i64) -> Result<GraphProto, ModelError> {
    let bytes = with_batches(model(shape, batch).encode_to_vec())?;
    Ok(ModelProto::decode(&bytes[..]).unwrap().graph.unwrap())
}

fn first_axis(mut value: ValueInfoProto) -> Option<DimensionValue> {
    sizes_of(&mut value).unwrap().dim[0].value.clone()
}

#[test]
fn the_first_axis_of_input_and_output_gets_any_length() {
    let graph = rewritten(&[1, -1], 1).unwrap();
    let any = Some(DimensionValue::Named("faces".to_owned()));
    assert_eq!(first_axis(graph.input[0].clone()), any);
    assert_eq!(first_axis(graph.output[0].clone()), any);
    assert_eq!(first_axis(graph.input[1].clone()), Some(DimensionValue::Known(8)), "a weight stays as it is");
    assert!(graph.value_info.is_empty());
}

#[test]
fn a_reshape_of_the_input_keeps_the_first_axis_and_one_of_a_weight_its_shape() {
    let graph = rewritten(&[1, -1], 1).unwrap();
    let shape = |node: &NodeProto| {
        let tensor = graph.initializer.iter().find(|tensor| tensor.name() == node.input[1]).unwrap();
        integers(tensor).collect::<Vec<_>>()
    };
    assert_eq!(shape(&graph.node[1]), [0, -1]);
    assert!(graph.node[1].attribute.is_empty(), "0 would stand for no elements");
    assert_eq!(shape(&graph.node[2]), [1, -1]);
}

#[test]
fn a_reshape_that_keeps_inputs_apart_is_unchanged() {
    for shape in [&[-1, 8][..], &[0, 8], &[0]] {
        let graph = rewritten(shape, 1).unwrap();
        assert_eq!(graph.node, model(shape, 1).graph.unwrap().node);
    }
}

#[test]
fn a_graph_that_mixes_the_inputs_of_a_run_is_refused() {
    for shape in [&[-1][..], &[8], &[2, 4]] {
        let error = rewritten(shape, 1).unwrap_err().to_string();
        assert!(error.contains("the Reshape to row mixes the inputs of a run"), "{error}");
    }
    let error = rewritten(&[1, -1], 4).unwrap_err().to_string();
    assert!(error.contains("image has a first axis of another length than 1"), "{error}");
}

#[test]
fn a_second_rewriting_changes_nothing() {
    for shape in [&[1, -1][..], &[1]] {
        let once = with_batches(model(shape, 1).encode_to_vec()).unwrap();
        assert_eq!(with_batches(once.clone()).unwrap(), once, "{shape:?}");
    }
}
