use std::collections::HashMap;

use crate::{
    model_error::ModelError,
    onnx::{
        AttributeProto, Dimension, DimensionValue, GraphProto, TensorProto, TensorShapeProto, TypeValue,
        ValueInfoProto,
    },
};

/// Makes the input's height and width and each output's number of anchors symbolic, and drops the recorded sizes of
/// inner values, which would be wrong for another input size.
///
/// A `Reshape` to a constant shape works for any input size only if one of the shape's sizes is -1. A graph with
/// another `Reshape` is refused.
pub(super) fn rewrite(graph: &mut GraphProto) -> Result<(), ModelError> {
    refuse_fixed_reshapes(graph)?;
    let weights: Vec<_> = graph.initializer.iter().map(|tensor| tensor.name().to_owned()).collect();
    let mut inputs =
        graph.input.iter_mut().filter(|input| !weights.iter().any(|weight| weight == input.name()));
    let (Some(input), None) = (inputs.next(), inputs.next()) else {
        return Err(ModelError::Graph("expected exactly one input".to_owned()));
    };
    match shape(input).map(|shape| &mut shape.dim[..]) {
        Some([_, _, height, width]) => {
            name(height, "height");
            name(width, "width");
        }
        _ => {
            return Err(ModelError::Graph("expected an input of four dimensions".to_owned()));
        }
    }
    for output in &mut graph.output {
        if let Some([_, anchors, _]) = shape(output).map(|shape| &mut shape.dim[..]) {
            name(anchors, "anchors");
        }
    }
    graph.value_info.clear();
    Ok(())
}

fn name(dimension: &mut Dimension, name: &str) {
    // A size that is symbolic already keeps its name.
    if !matches!(dimension.value, Some(DimensionValue::Named(_))) {
        dimension.value = Some(DimensionValue::Named(name.to_owned()));
    }
}

fn shape(value: &mut ValueInfoProto) -> Option<&mut TensorShapeProto> {
    match value.kind.as_mut()?.value.as_mut()? {
        TypeValue::Tensor(tensor) => tensor.shape.as_mut(),
        _ => None,
    }
}

fn refuse_fixed_reshapes(graph: &GraphProto) -> Result<(), ModelError> {
    let in_nodes = graph.node.iter().filter(|node| node.op_type() == "Constant").filter_map(|node| {
        let tensor = node.attribute.iter().find_map(|attribute: &AttributeProto| attribute.t.as_ref())?;
        Some((node.output.first()?.as_str(), tensor))
    });
    let constants: HashMap<_, _> =
        graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).chain(in_nodes).collect();
    for node in graph.node.iter().filter(|node| node.op_type() == "Reshape") {
        let target = node.input.get(1).and_then(|shape| constants.get(shape.as_str()));
        if target.is_some_and(|shape| !integers(shape).any(|size| size == -1)) {
            let output = node.output.first().map_or("", String::as_str);
            return Err(ModelError::Graph(format!("the shape of the Reshape to {output} has no size of -1")));
        }
    }
    Ok(())
}

fn integers(tensor: &TensorProto) -> impl Iterator<Item = i64> {
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).chain(tensor.int64_data.iter().copied())
}
