use std::collections::HashSet;

use prost::Message as _;

use super::decode;
use crate::{
    model_error::ModelError,
    onnx::{self, DimensionValue, GraphProto, NodeProto, TensorProto, ValueInfoProto},
    prepare::graph::{constants, integers, set_symbolic, sizes_of, value_names},
};

/// The name of the axis that has a length for each run.
const AXIS: &str = "faces";

/// Lets a graph compute any number of inputs in one run: the first axis of its input and of its outputs gets any length.
///
/// # Errors
///
/// [`ModelError::Graph`] when the bytes are not an ONNX graph, or it mixes the inputs of a run.
pub(crate) fn with_batches(bytes: Vec<u8>) -> Result<Vec<u8>, ModelError> {
    let mut model = decode(bytes.into())?;
    let graph = model.graph.as_mut().ok_or_else(|| ModelError::Graph("the file has no graph".to_owned()))?;
    keep_inputs_apart(graph)?;
    let weights: HashSet<_> = graph.initializer.iter().map(|weight| weight.name().to_owned()).collect();
    let inputs = graph.input.iter_mut().filter(|input| !weights.contains(input.name()));
    for value in inputs.chain(&mut graph.output) {
        let axis = sizes_of(value).and_then(|sizes| sizes.dim.first_mut());
        if let Some(axis) = axis {
            if matches!(axis.value, Some(DimensionValue::Known(size)) if size != 1) {
                return Err(ModelError::Graph(format!(
                    "{} has a first axis of another length than 1",
                    value.name()
                )));
            }
            set_symbolic(axis, AXIS);
        }
    }
    graph.value_info.clear();
    Ok(model.encode_to_vec())
}

/// Lets each `Reshape` to a constant shape keep the first axis of what it reshapes.
fn keep_inputs_apart(graph: &mut GraphProto) -> Result<(), ModelError> {
    let computed = values_of_inputs(graph);
    let constants = constants(graph);
    let is_computed = |node: &NodeProto| node.input.first().is_some_and(|name| computed.contains(name));
    let mut shapes = Vec::new();
    for (at, node) in graph.node.iter().enumerate() {
        if node.op_type() != "Reshape" || !is_computed(node) {
            continue;
        }
        let Some(shape) = node.input.get(1).and_then(|shape| constants.get(shape.as_str())) else { continue };
        let sizes: Vec<_> = integers(shape).collect();
        match sizes[..] {
            // 0 stands for the length that the axis has already.
            [1, ..] => shapes.push((at, [&[0], &sizes[1..]].concat())),
            [0] | [0 | -1, _, ..] => {}
            _ => {
                let output = node.output.first().map_or("", String::as_str);
                return Err(ModelError::Graph(format!("the Reshape to {output} mixes the inputs of a run")));
            }
        }
    }
    for (at, sizes) in shapes {
        set_shape(graph, at, &sizes)?;
    }
    Ok(())
}

/// The names of the values that depend on an input. Nodes come after those whose values they read.
fn values_of_inputs(graph: &GraphProto) -> HashSet<String> {
    let weights: HashSet<_> = graph.initializer.iter().map(TensorProto::name).collect();
    let inputs = graph.input.iter().map(ValueInfoProto::name).filter(|name| !weights.contains(name));
    let mut values: HashSet<_> = inputs.map(str::to_owned).collect();
    for node in &graph.node {
        if node.input.iter().any(|name| values.contains(name)) {
            values.extend(node.output.iter().cloned());
        }
    }
    values
}

/// Gives a `Reshape` a shape of its own, since others may use the one that it had.
fn set_shape(graph: &mut GraphProto, at: usize, sizes: &[i64]) -> Result<(), ModelError> {
    let name = format!("{}/{AXIS}/shape", graph.node[at].output.first().map_or("", String::as_str));
    if value_names(graph).contains(name.as_str()) {
        return Err(ModelError::Graph(format!("{name} is already the name of a value")));
    }
    graph.initializer.push(TensorProto {
        dims: vec![i64::try_from(sizes.len()).unwrap_or(i64::MAX)],
        data_type: Some(onnx::INT64),
        name: Some(name.clone()),
        raw_data: Some(sizes.iter().flat_map(|size| size.to_le_bytes()).collect()),
        ..TensorProto::default()
    });
    let node = &mut graph.node[at];
    node.input[1] = name;
    // With it, 0 would stand for no elements.
    node.attribute.retain(|attribute| attribute.name() != "allowzero");
    Ok(())
}

#[cfg(test)]
mod tests;
