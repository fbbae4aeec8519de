use std::collections::HashSet;

use bytes::Bytes;
use prost::Message as _;

use super::decode;
use crate::{
    model_error::ModelError,
    onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto},
};

/// The part of an ONNX file's graph that computes these outputs.
///
/// # Errors
///
/// [`ModelError::Graph`] when the bytes are not an ONNX graph, or an output is missing.
pub(crate) fn graph_part(bytes: &[u8], outputs: &[&str]) -> Result<Vec<u8>, ModelError> {
    let mut model = decode(Bytes::copy_from_slice(bytes))?;
    let graph = model.graph.as_mut().ok_or_else(|| ModelError::Graph("the file has no graph".to_owned()))?;
    let missing = |name: &&&str| graph.output.iter().all(|output| output.name() != **name);
    if let Some(name) = outputs.iter().find(missing) {
        return Err(ModelError::Graph(format!("there is no output named {name}")));
    }
    keep_outputs(graph, outputs);
    Ok(model.encode_to_vec())
}

fn keep_outputs(graph: &mut GraphProto, outputs: &[&str]) {
    graph.output.retain(|output| outputs.contains(&output.name()));
    let mut needed: HashSet<String> = outputs.iter().map(|&name| name.to_owned()).collect();
    // A node comes after those whose values it reads.
    let mut kept = Vec::new();
    for node in std::mem::take(&mut graph.node).into_iter().rev() {
        if node.output.iter().any(|output| needed.contains(output)) {
            add_values_read(&node, &mut needed);
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    graph.initializer.retain(|weight: &TensorProto| needed.contains(weight.name()));
    graph.value_info.retain(|value: &ValueInfoProto| needed.contains(value.name()));
}

/// Adds the values that a node reads, also those that its inner graphs read.
fn add_values_read(node: &NodeProto, needed: &mut HashSet<String>) {
    needed.extend(node.input.iter().cloned());
    let inner = node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs));
    for graph in inner {
        needed.extend(graph.output.iter().map(|output| output.name().to_owned()));
        for node in &graph.node {
            add_values_read(node, needed);
        }
    }
}
