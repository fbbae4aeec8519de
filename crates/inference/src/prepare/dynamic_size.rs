use crate::{
    model_error::ModelError,
    onnx::GraphProto,
    prepare::graph::{constants, integers, set_symbolic, sizes_of},
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
    match sizes_of(input).map(|shape| &mut shape.dim[..]) {
        Some([_, _, height, width]) => {
            set_symbolic(height, "height");
            set_symbolic(width, "width");
        }
        _ => {
            return Err(ModelError::Graph("expected an input of four dimensions".to_owned()));
        }
    }
    for output in &mut graph.output {
        if let Some([_, anchors, _]) = sizes_of(output).map(|shape| &mut shape.dim[..]) {
            set_symbolic(anchors, "anchors");
        }
    }
    graph.value_info.clear();
    Ok(())
}

fn refuse_fixed_reshapes(graph: &GraphProto) -> Result<(), ModelError> {
    let constants = constants(graph);
    for node in graph.node.iter().filter(|node| node.op_type() == "Reshape") {
        let target = node.input.get(1).and_then(|shape| constants.get(shape.as_str()));
        if target.is_some_and(|shape| !integers(shape).any(|size| size == -1)) {
            let output = node.output.first().map_or("", String::as_str);
            return Err(ModelError::Graph(format!("the shape of the Reshape to {output} has no size of -1")));
        }
    }
    Ok(())
}
