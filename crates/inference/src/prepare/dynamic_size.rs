use std::collections::HashMap;

use crate::{
    model_error::ModelError,
    onnx::{
        AttributeProto, Dimension, DimensionValue, GraphProto, TensorProto, TensorShapeProto, TypeValue,
        ValueInfoProto,
    },
};

/// Names the height and width of the only input and the number of anchors of each output, and forgets the
/// sizes noted for inner values, which would contradict another input's.
///
/// A `Reshape` to a constant shape follows the input only if one of its sizes is left open; a graph where
/// none is would need other constants, and is refused.
pub(super) fn rewrite(graph: &mut GraphProto) -> Result<(), ModelError> {
    refuse_fixed_reshapes(graph)?;
    let weights: Vec<_> = graph.initializer.iter().map(|tensor| tensor.name().to_owned()).collect();
    let mut inputs =
        graph.input.iter_mut().filter(|input| !weights.iter().any(|weight| weight == input.name()));
    let (Some(input), None) = (inputs.next(), inputs.next()) else {
        return Err(ModelError::Graph("it does not have exactly one input".to_owned()));
    };
    match shape(input).map(|shape| &mut shape.dim[..]) {
        Some([_, _, height, width]) => {
            name(height, "height");
            name(width, "width");
        }
        _ => {
            return Err(ModelError::Graph("its input is no image of four dimensions".to_owned()));
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
    // A size that already has a name keeps it.
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
            let place = node.output.first().map_or("", String::as_str);
            return Err(ModelError::Graph(format!("the Reshape to {place} leaves no size open")));
        }
    }
    Ok(())
}

fn integers(tensor: &TensorProto) -> impl Iterator<Item = i64> {
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).chain(tensor.int64_data.iter().copied())
}
