use std::collections::HashSet;

use crate::onnx::{GraphProto, TensorProto, ValueInfoProto};

/// Removes the weights that no node reads and that are not inputs of the graph.
pub(crate) fn drop_unused_weights(graph: &mut GraphProto) {
    let used: HashSet<_> = graph.node.iter().flat_map(|node| node.input.iter().cloned()).collect();
    let inputs: HashSet<_> = graph.input.iter().map(|input| input.name().to_owned()).collect();
    graph.initializer.retain(|weight| used.contains(weight.name()) || inputs.contains(weight.name()));
}

/// The names of all values of a graph.
pub(crate) fn value_names(graph: &GraphProto) -> HashSet<&str> {
    let interface = graph.input.iter().chain(&graph.output).map(ValueInfoProto::name);
    let weights = graph.initializer.iter().map(TensorProto::name);
    let inner = graph.node.iter().flat_map(|node| node.output.iter().map(String::as_str));
    interface.chain(weights).chain(inner).collect()
}
