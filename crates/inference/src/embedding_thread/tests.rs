use std::sync::{
    Barrier,
    mpsc::{Sender, channel},
};

use padan_domain::Embedding;

use super::*;
use crate::align::CROP_SIDE;

const LONG: Duration = Duration::from_mins(1);

fn face(value: f32) -> AlignedFace {
    AlignedFace::from_rgb(vec![value; CROP_SIDE * CROP_SIDE * 3])
}

/// What stands for the embedding of a face: its length is the face's value.
fn embedded(face: &AlignedFace) -> Result<Embedded, FaceError> {
    let length = face.rgb()[0];
    if length < 0.0 {
        return Err(FaceError::Broken(format!("no embedding of {length}")));
    }
    Ok(Embedded { embedding: Embedding::from_output(&[1.0, length]).unwrap(), length: length.into() })
}

fn max_faces(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn in_a_minute() -> Demand {
    Demand { deadline: Some(Instant::now() + LONG), waiter: None }
}

/// A thread whose runs begin one by one, when the test says so.
struct Steps {
    embedder: SharedEmbedder,
    go: Sender<()>,
    /// The values of the faces of each run that has begun.
    begun: Receiver<Vec<f32>>,
}

impl Steps {
    fn start(max: usize, queue_length: usize) -> Self {
        let ((go, may_go), (begin, begun)) = (channel(), channel());
        let run = move |faces: &[AlignedFace]| {
            begin.send(faces.iter().map(|face| face.rgb()[0]).collect()).unwrap();
            may_go.recv_timeout(LONG).unwrap();
            Ok(faces.iter().map(embedded).collect())
        };
        let embedder = SharedEmbedder::start(vec![run], max_faces(max), queue_length).unwrap();
        Self { embedder, go, begun }
    }

    /// Puts a face into the queue.
    fn queue(&self, value: f32, demand: Demand) -> Receiver<Answer> {
        let (answer, answered) = sync_channel(1);
        self.embedder.queue.try_send(Request { face: face(value), demand, answer }).ok().unwrap();
        answered
    }

    fn next_run(&self) -> Vec<f32> {
        self.begun.recv_timeout(LONG).unwrap()
    }
}

fn length(answered: &Receiver<Answer>) -> Result<f64, FaceError> {
    answered.recv_timeout(LONG).unwrap().embedded.map(|embedded| embedded.length)
}

#[test]
fn all_that_wait_are_embedded_in_one_run_up_to_the_maximum() {
    let steps = Steps::start(3, 8);
    let first = steps.queue(1.0, in_a_minute());
    // It does not wait for others.
    assert_eq!(steps.next_run(), [1.0]);
    let others = [2.0, 3.0, 4.0, 5.0].map(|value| (value, steps.queue(value, in_a_minute())));
    steps.go.send(()).unwrap();
    assert_eq!(length(&first), Ok(1.0));
    assert_eq!(steps.next_run(), [2.0, 3.0, 4.0]);
    steps.go.send(()).unwrap();
    assert_eq!(steps.next_run(), [5.0]);
    steps.go.send(()).unwrap();
    for (value, answered) in others {
        assert_eq!(length(&answered), Ok(value.into()));
    }
    let counts = steps.embedder.counts();
    assert_eq!((counts.runs(), counts.faces()), (3, 5));
}

#[test]
fn each_of_many_callers_gets_the_embedding_of_its_own_face() {
    let run = |faces: &[AlignedFace]| Ok(faces.iter().map(embedded).collect());
    let shared = SharedEmbedder::start(vec![run], max_faces(4), 8).unwrap();
    thread::scope(|scope| {
        for caller in 0..8_u16 {
            let mut embedder = shared.clone();
            scope.spawn(move || {
                for number in 0..50 {
                    let value = f32::from(caller * 50 + number);
                    let embedded = embedder.embed(&face(value)).unwrap();
                    assert_eq!(embedded.length, f64::from(value));
                }
            });
        }
    });
    assert_eq!(shared.counts().faces(), 400);
}

#[test]
fn a_face_that_nobody_wants_any_more_is_left_out() {
    let steps = Steps::start(4, 8);
    let first = steps.queue(1.0, in_a_minute());
    assert_eq!(steps.next_run(), [1.0]);
    let waiter = Arc::new(());
    let late = steps.queue(2.0, Demand { deadline: Some(Instant::now()), waiter: None });
    let left = steps.queue(3.0, Demand { waiter: Some(Arc::downgrade(&waiter)), ..in_a_minute() });
    let wanted = steps.queue(4.0, in_a_minute());
    drop(waiter);
    steps.go.send(()).unwrap();
    assert_eq!(steps.next_run(), [4.0]);
    steps.go.send(()).unwrap();
    assert_eq!(length(&first), Ok(1.0));
    assert_eq!([length(&late), length(&left)], [const { Err(FaceError::Expired) }; 2]);
    assert_eq!(length(&wanted), Ok(4.0));
}

#[test]
fn a_worker_waits_until_the_deadline_at_most() {
    let mut steps = Steps::start(1, 8);
    let held = steps.queue(1.0, in_a_minute());
    assert_eq!(steps.next_run(), [1.0]);
    steps.embedder.set_demand(Demand { deadline: Some(Instant::now()), waiter: None });
    assert_eq!(steps.embedder.embed(&face(2.0)).err(), Some(FaceError::Expired));
    steps.go.send(()).unwrap();
    assert_eq!(length(&held), Ok(1.0));
}

#[test]
fn a_full_queue_refuses_a_face() {
    let mut steps = Steps::start(1, 2);
    let held = steps.queue(1.0, in_a_minute());
    assert_eq!(steps.next_run(), [1.0]);
    let waiting = [2.0, 3.0].map(|value| steps.queue(value, in_a_minute()));
    assert_eq!(steps.embedder.embed(&face(4.0)).err(), Some(FaceError::QueueFull));
    (0..3).for_each(|_| steps.go.send(()).unwrap());
    assert_eq!(length(&held), Ok(1.0));
    assert_eq!(waiting.map(|answered| length(&answered)), [Ok(2.0), Ok(3.0)]);
}

/// A run on a face of 1 fails, and one on a face of 2 panics.
fn failing(faces: &[AlignedFace]) -> Run {
    let values: Vec<_> = faces.iter().map(|face| face.rgb()[0]).collect();
    assert!(!values.contains(&2.0), "a panic");
    if values.contains(&1.0) {
        return Err(FaceError::Broken("the run fails".into()));
    }
    Ok(faces.iter().map(embedded).collect())
}

#[test]
fn an_error_or_a_panic_is_the_answer_to_each_face_of_its_run() {
    let (go, may_go) = channel::<()>();
    let run = move |faces: &[AlignedFace]| {
        may_go.recv_timeout(LONG).unwrap();
        failing(faces)
    };
    let steps = Steps {
        embedder: SharedEmbedder::start(vec![run], max_faces(2), 8).unwrap(),
        go,
        begun: channel().1,
    };
    // The first run has one face or two, and each later one has those that are left.
    for broken in [1.0, 2.0] {
        let answers = [broken, broken].map(|value| steps.queue(value, in_a_minute()));
        (0..2).for_each(|_| steps.go.send(()).unwrap());
        for answered in answers {
            let error = length(&answered).unwrap_err().to_string();
            assert!(error.contains(if broken < 2.0 { "the run fails" } else { "panicked" }), "{error}");
        }
    }
    (0..2).for_each(|_| steps.go.send(()).unwrap());
    assert_eq!(length(&steps.queue(3.0, in_a_minute())), Ok(3.0));
    assert_eq!(steps.embedder.counts().ended(), 0);
}

#[test]
fn a_face_without_an_embedding_spoils_no_other_of_its_run() {
    let steps = Steps::start(2, 8);
    let first = steps.queue(1.0, in_a_minute());
    assert_eq!(steps.next_run(), [1.0]);
    let [bad, good] = [-1.0, 2.0].map(|value| steps.queue(value, in_a_minute()));
    (0..2).for_each(|_| steps.go.send(()).unwrap());
    assert_eq!(steps.next_run(), [-1.0, 2.0]);
    assert_eq!((length(&first), length(&good)), (Ok(1.0), Ok(2.0)));
    assert_eq!(length(&bad), Err(FaceError::Broken("no embedding of -1".into())));
}

/// Panics when a caught panic's payload is dropped, which is after `catch_unwind`.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn a_thread_that_has_ended_answers_with_an_error_at_once() {
    let run = |_: &[AlignedFace]| -> Run { std::panic::panic_any(PanicsOnDrop) };
    let mut embedder = SharedEmbedder::start(vec![run], max_faces(2), 8).unwrap();
    let counts = embedder.counts();
    for _ in 0..2 {
        let error = embedder.embed(&face(1.0)).err().unwrap().to_string();
        assert!(error.contains("have ended"), "{error}");
    }
    let until = Instant::now() + LONG;
    while counts.ended() == 0 && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!((counts.ended(), counts.threads()), (1, 1));
}

#[test]
fn a_thread_ends_with_the_last_handle() {
    let run = |faces: &[AlignedFace]| -> Run { Ok(faces.iter().map(embedded).collect()) };
    let embedder = SharedEmbedder::start(vec![run], max_faces(2), 8).unwrap();
    let (other, counts) = (embedder.clone(), embedder.counts());
    drop(embedder);
    assert!(other.clone().embed(&face(1.0)).is_ok());
    drop(other);
    let until = Instant::now() + LONG;
    while counts.ended() == 0 && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!((counts.ended(), counts.threads()), (1, 1));
}

#[test]
fn a_worker_learns_its_share_of_the_processor_time() {
    let run = |faces: &[AlignedFace]| -> Run {
        let until = cpu_time_of_this_thread() + Duration::from_millis(20);
        while cpu_time_of_this_thread() < until {}
        Ok(faces.iter().map(embedded).collect())
    };
    let mut embedder = SharedEmbedder::start(vec![run], max_faces(2), 8).unwrap();
    embedder.embed(&face(1.0)).unwrap();
    assert!(embedder.take_cpu() >= Duration::from_millis(20));
    assert_eq!(embedder.take_cpu(), Duration::ZERO);
}

#[test]
fn two_threads_embed_at_the_same_time() {
    let both = Arc::new(Barrier::new(2));
    let run = |_| {
        let both = Arc::clone(&both);
        move |faces: &[AlignedFace]| -> Run {
            both.wait();
            Ok(faces.iter().map(embedded).collect())
        }
    };
    let shared = SharedEmbedder::start((0..2).map(run).collect(), max_faces(1), 8).unwrap();
    thread::scope(|scope| {
        for value in [1.0, 2.0] {
            let mut embedder = shared.clone();
            embedder.set_demand(in_a_minute());
            scope.spawn(move || assert_eq!(embedder.embed(&face(value)).unwrap().length, f64::from(value)));
        }
    });
    assert_eq!((shared.counts().threads(), shared.counts().runs()), (2, 2));
}
