use crate::{
    model_error::ModelError,
    onnx::{self, AttributeProto, GraphProto, NodeProto, TensorProto},
    prepare::graph::{drop_unused_weights, value_names},
};

/// Replaces `PRelu(x)` by `s * x + (1 - s) * Relu(x)`, with the scalings as depthwise 1 x 1 convolutions.
///
/// The runtime's `PRelu` uses another memory layout than its convolutions, so each one costs two reorderings.
/// Convolutions keep the layout, and a `Relu` or `Add` right after a convolution costs nothing. For slopes up to 1,
/// `(1 - s) * Relu(x)` equals `Relu((1 - s) * x)`, which places the `Relu` after a convolution. For larger slopes the
/// `Relu` comes first.
pub(super) fn rewrite(graph: &mut GraphProto) -> Result<(), ModelError> {
    let mut weights = Vec::new();
    let mut nodes = Vec::with_capacity(graph.node.len());
    for node in &graph.node {
        match channel_slopes(graph, node)? {
            Some((slopes, ends)) => expand(ends, &slopes, &mut nodes, &mut weights),
            None => nodes.push(node.clone()),
        }
    }
    let taken = value_names(graph);
    let new_names =
        nodes.iter().flat_map(|node| &node.output).chain(weights.iter().filter_map(|w| w.name.as_ref()));
    if let Some(name) =
        new_names.filter(|name| name.contains(SEPARATOR)).find(|name| taken.contains(name.as_str()))
    {
        // A rewritten graph has no PRelu left, so this name has another origin.
        if !weights.is_empty() {
            return Err(ModelError::Graph(format!("{name} is already the name of a value")));
        }
    }
    graph.node = nodes;
    graph.initializer.append(&mut weights);
    drop_unused_weights(graph);
    Ok(())
}

/// Separates a `PRelu`'s output from the names of the nodes that replace it.
const SEPARATOR: &str = "/prelu/";

/// The names of a `PRelu`'s input and output.
#[derive(Clone, Copy)]
struct Ends<'a> {
    input: &'a str,
    output: &'a str,
}

/// The slopes of a `PRelu` that has one for each channel of an image; `None` for any other node.
fn channel_slopes<'a>(
    graph: &GraphProto,
    node: &'a NodeProto,
) -> Result<Option<(Vec<f32>, Ends<'a>)>, ModelError> {
    let ([input, slope], [output], "PRelu") = (&node.input[..], &node.output[..], node.op_type()) else {
        return Ok(None);
    };
    let Some(tensor) = graph.initializer.iter().find(|tensor| tensor.name() == slope) else {
        return Ok(None);
    };
    match tensor.dims[..] {
        [channels, 1, 1] | [1, channels, 1, 1] if channels > 1 => {
            Ok(Some((onnx::floats(tensor)?, Ends { input, output })))
        }
        _ => Ok(None),
    }
}

fn expand(ends: Ends<'_>, slopes: &[f32], nodes: &mut Vec<NodeProto>, weights: &mut Vec<TensorProto>) {
    let named = |part: &str| format!("{}{SEPARATOR}{part}", ends.output);
    let (slope, rest) = (named("slope"), named("rest"));
    weights.push(channel_weights(&slope, slopes.iter().copied()));
    weights.push(channel_weights(&rest, slopes.iter().map(|slope| 1.0 - slope)));

    let (scaled, positive, linear) = (named("scaled"), named("positive"), named("linear"));
    if slopes.iter().all(|slope| *slope <= 1.0) {
        nodes.push(scale(ends.input, &rest, &scaled, slopes.len()));
        nodes.push(operation("Relu", &[&scaled], &positive));
    } else {
        nodes.push(operation("Relu", &[ends.input], &scaled));
        nodes.push(scale(&scaled, &rest, &positive, slopes.len()));
    }
    nodes.push(scale(ends.input, &slope, &linear, slopes.len()));
    nodes.push(operation("Add", &[&positive, &linear], ends.output));
}

fn operation(op_type: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        name: Some(output.to_owned()),
        op_type: Some(op_type.to_owned()),
        ..NodeProto::default()
    }
}

/// A convolution that multiplies each channel by its weight.
fn scale(input: &str, weights: &str, output: &str, channels: usize) -> NodeProto {
    let attribute = |name: &str, kind| AttributeProto {
        name: Some(name.to_owned()),
        kind: Some(kind),
        ..AttributeProto::default()
    };
    let group = AttributeProto { i: i64::try_from(channels).ok(), ..attribute("group", onnx::INT) };
    let kernel = AttributeProto { ints: vec![1, 1], ..attribute("kernel_shape", onnx::INTS) };
    NodeProto { attribute: vec![group, kernel], ..operation("Conv", &[input, weights], output) }
}

/// Weights of a depthwise 1 x 1 convolution.
fn channel_weights(name: &str, values: impl ExactSizeIterator<Item = f32>) -> TensorProto {
    TensorProto {
        dims: vec![i64::try_from(values.len()).unwrap_or(i64::MAX), 1, 1, 1],
        data_type: Some(onnx::FLOAT),
        name: Some(name.to_owned()),
        raw_data: Some(values.flat_map(f32::to_le_bytes).collect()),
        ..TensorProto::default()
    }
}
