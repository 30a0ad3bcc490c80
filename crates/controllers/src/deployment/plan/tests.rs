//! Tables of single steps, and properties of whole roll-outs: a small model of replica sets, whose pods turn ready and fail
//! in any order, is driven by the plan alone.

use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

use super::{Goal, Limits, Resize, Set, Sets, Step, Strategy, next_step};

fn rolling(replicas: i32, surge: i32, unavailable: i32) -> Goal {
    Goal { replicas, strategy: Strategy::RollingUpdate(Limits { surge, unavailable }), paused: false }
}

/// A set of `wanted` pods of which `available` are, scaled for a deployment of `goal`.
fn set(name: &str, (wanted, available): (i32, i32), goal: &Goal) -> Set {
    Set {
        name: name.to_owned(),
        created: name.bytes().map(i64::from).sum(),
        wanted,
        available,
        occupied: wanted > 0,
        desired: Some(goal.replicas),
        ceiling: Some(goal.ceiling()),
    }
}

/// The sizes that a step sets; `("", n)` is the size of a set that is created.
fn sizes(step: Step) -> Vec<(String, i32)> {
    match step {
        Step::Create(size) => vec![(String::new(), size)],
        Step::Resize(resizes) => resizes.into_iter().map(|Resize { name, to }| (name, to)).collect(),
        Step::Wait => Vec::new(),
    }
}

#[track_caller]
fn check(goal: &Goal, sets: &Sets, expected: &[(&str, i32)]) {
    let expected: Vec<_> = expected.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
    assert_eq!(sizes(next_step(goal, sets)), expected);
}

#[test]
fn a_roll_out_waits_while_what_is_new_is_not_available() {
    let goal = rolling(10, 3, 2);
    // 13 pods, 8 must be available, 5 of the new ones are not: nothing can be taken away.
    let sets = Sets { new: Some(set("b", (5, 0), &goal)), old: vec![set("a", (8, 7), &goal)] };
    check(&goal, &sets, &[]);
}

#[test]
fn after_a_roll_back_the_crashing_pods_go_first() {
    let goal = rolling(10, 3, 2);
    let sets = Sets { new: Some(set("a", (8, 7), &goal)), old: vec![set("b", (5, 0), &goal)] };
    check(&goal, &sets, &[("b", 1)]);
}

#[test]
fn a_new_template_in_mid_roll_out_starts_where_there_is_room() {
    let goal = rolling(10, 3, 2);
    let sets = Sets { new: None, old: vec![set("a", (8, 8), &goal), set("b", (5, 0), &goal)] };
    check(&goal, &sets, &[("", 0)]);
    let sets = Sets { new: Some(set("c", (0, 0), &goal)), ..sets };
    check(&goal, &sets, &[("b", 0)]);
}

#[test]
fn the_first_replica_set_gets_all_pods_at_once() {
    check(&rolling(3, 1, 0), &Sets::default(), &[("", 3)]);
}

#[test]
fn without_surge_an_old_pod_goes_before_a_new_one_comes() {
    let goal = rolling(2, 0, 1);
    let sets = Sets { new: Some(set("b", (0, 0), &goal)), old: vec![set("a", (2, 2), &goal)] };
    check(&goal, &sets, &[("a", 1)]);
}

#[test]
fn recreate_waits_for_the_last_old_pod_to_end() {
    let goal = Goal { replicas: 2, strategy: Strategy::Recreate, paused: false };
    let old = set("a", (2, 2), &goal);
    check(&goal, &Sets { new: None, old: vec![old.clone()] }, &[("a", 0)]);
    let ending = Set { wanted: 0, available: 0, ..old };
    check(&goal, &Sets { new: None, old: vec![ending.clone()] }, &[]);
    let ended = Set { occupied: false, ..ending };
    check(&goal, &Sets { new: None, old: vec![ended] }, &[("", 2)]);
}

#[test]
fn a_paused_deployment_is_scaled_but_not_rolled() {
    let goal = Goal { paused: true, ..rolling(4, 1, 1) };
    let before = rolling(2, 1, 1);
    check(&goal, &Sets { new: None, old: vec![set("a", (2, 2), &before)] }, &[("a", 4)]);
    check(&goal, &Sets { new: None, old: vec![set("a", (4, 4), &goal)] }, &[]);
    check(&goal, &Sets::default(), &[]);
}

#[test]
fn scaling_in_mid_roll_out_keeps_the_proportion() {
    let before = rolling(10, 3, 2);
    let sets = Sets { new: Some(set("b", (5, 2), &before)), old: vec![set("a", (8, 8), &before)] };
    check(&rolling(20, 6, 4), &sets, &[("a", 16), ("b", 10)]);
    check(&rolling(5, 2, 1), &sets, &[("a", 4), ("b", 3)]);
    check(&rolling(0, 0, 0), &sets, &[("a", 0), ("b", 0)]);
}

#[test]
fn the_largest_set_takes_what_rounding_leaves() {
    let before = rolling(4, 0, 1);
    let sets = Sets { new: Some(set("b", (2, 0), &before)), old: vec![set("a", (2, 2), &before)] };
    check(&rolling(5, 0, 1), &sets, &[("b", 3), ("a", 2)]);
    check(&rolling(3, 0, 1), &sets, &[("a", 1), ("b", 2)]);
}

#[test]
fn a_set_that_somebody_scaled_already_learns_of_the_new_size() {
    let (before, goal) = (rolling(3, 1, 0), rolling(5, 1, 0));
    let scaled_by_hand = Set { wanted: 5, ..set("a", (3, 3), &before) };
    check(&goal, &Sets { new: Some(scaled_by_hand), old: vec![] }, &[("a", 5)]);
}

/// A replica set with its pods, each available or not.
#[derive(Debug, Clone)]
struct Running {
    set: Set,
    pods: Vec<bool>,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    /// The deployment's controller has a turn.
    Deployment,
    /// A replica set brings its pods to the wanted number, those that are not available going first.
    ReplicaSet(usize),
    /// A pod becomes available.
    Ready(usize),
    /// A pod stops being so.
    Fail(usize),
    /// The template changes.
    Template,
}

/// Events among which `failures` times as many are failures of pods.
fn events(failures: u32) -> impl Generator<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => Just(Event::Deployment),
        8 => any::<usize>().prop_map(Event::ReplicaSet),
        6 => any::<usize>().prop_map(Event::Ready),
        failures => any::<usize>().prop_map(Event::Fail),
        1 => Just(Event::Template),
    ];
    proptest::collection::vec(event, 1..120)
}

#[derive(Debug)]
struct Model {
    goal: Goal,
    sets: Vec<Running>,
    /// Whether the last of the sets has the current template.
    current: bool,
    created: i64,
}

impl Model {
    /// A deployment that has settled.
    fn settled(goal: Goal) -> Self {
        let replicas = usize::try_from(goal.replicas).unwrap();
        let first = Running { set: set("s0", (goal.replicas, goal.replicas), &goal), pods: vec![true; replicas] };
        Self { goal, sets: vec![first], current: true, created: 1 }
    }

    fn observed(&self) -> Sets {
        let count = |pods: &[bool]| i32::try_from(pods.iter().filter(|available| **available).count()).unwrap();
        let mut sets: Vec<Set> = self
            .sets
            .iter()
            .map(|running| Set {
                available: count(&running.pods),
                occupied: !running.pods.is_empty(),
                ..running.set.clone()
            })
            .collect();
        let new = if self.current { sets.pop() } else { None };
        Sets { new, old: sets }
    }

    fn wanted(&self) -> i32 {
        self.sets.iter().map(|running| running.set.wanted).sum()
    }

    fn available(&self) -> usize {
        self.sets.iter().flat_map(|running| &running.pods).filter(|available| **available).count()
    }

    /// Whether something changed.
    fn deployment_turn(&mut self) -> bool {
        match next_step(&self.goal, &self.observed()) {
            Step::Wait => return false,
            Step::Create(size) => {
                let mut created = set(&format!("s{}", self.created), (size, 0), &self.goal);
                created.created = self.created;
                self.created += 1;
                self.current = true;
                self.sets.push(Running { set: created, pods: Vec::new() });
            }
            Step::Resize(resizes) => {
                for Resize { name, to } in resizes {
                    let running = self.sets.iter_mut().find(|running| running.set.name == name).unwrap();
                    running.set.wanted = to;
                    running.set.desired = Some(self.goal.replicas);
                    running.set.ceiling = Some(self.goal.ceiling());
                }
            }
        }
        true
    }

    /// Whether something changed.
    fn replica_set_turn(&mut self, at: usize) -> bool {
        let Running { set, pods } = &mut self.sets[at];
        let wanted = usize::try_from(set.wanted).unwrap();
        let changed = pods.len() != wanted;
        pods.sort_by_key(|available| std::cmp::Reverse(*available));
        pods.resize(wanted, false);
        changed
    }

    /// Whether something changed.
    fn replica_sets_turn(&mut self) -> bool {
        let turns: Vec<bool> = (0..self.sets.len()).map(|at| self.replica_set_turn(at)).collect();
        turns.contains(&true)
    }

    fn pod(&mut self, number: usize) -> Option<&mut bool> {
        let mut pods: Vec<&mut bool> = self.sets.iter_mut().flat_map(|running| &mut running.pods).collect();
        let count = pods.len();
        (count > 0).then(|| pods.swap_remove(number % count))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deployment => drop(self.deployment_turn()),
            Event::ReplicaSet(number) => drop(self.replica_set_turn(number % self.sets.len())),
            Event::Ready(number) => self.pod(number).into_iter().for_each(|pod| *pod = true),
            Event::Fail(number) => self.pod(number).into_iter().for_each(|pod| *pod = false),
            Event::Template => self.current = false,
        }
    }

    /// Lets everything come to rest, all pods turning ready.
    fn settle(&mut self) {
        for _ in 0..1000 {
            let changed = self.deployment_turn() | self.replica_sets_turn();
            let pods: Vec<&mut bool> = self.sets.iter_mut().flat_map(|running| &mut running.pods).collect();
            let all_ready = pods.iter().all(|ready| **ready);
            pods.into_iter().for_each(|ready| *ready = true);
            if !changed && all_ready {
                return;
            }
        }
        panic!("a roll-out of ready pods never ends: {self:?}");
    }
}

fn goals() -> impl Generator<Value = Goal> {
    (0..12_i32, 0..5_i32, 0..5_i32, any::<bool>()).prop_map(|(replicas, surge, unavailable, recreate)| {
        let unavailable = if surge == 0 { unavailable.max(1) } else { unavailable };
        let strategy = match recreate {
            true => Strategy::Recreate,
            false => Strategy::RollingUpdate(Limits { surge, unavailable: unavailable.min(replicas) }),
        };
        Goal { replicas, strategy, paused: false }
    })
}

proptest! {
    #[test]
    fn a_roll_out_never_asks_for_more_pods_than_the_surge_allows(goal in goals(), events in events(2)) {
        let mut model = Model::settled(goal);
        for event in events {
            model.happen(event);
            prop_assert!(model.wanted() <= goal.ceiling(), "{model:?}");
        }
    }

    #[test]
    fn a_rolling_update_never_undercuts_availability(goal in goals(), events in events(0)) {
        let Strategy::RollingUpdate(limits) = goal.strategy else { return Ok(()) };
        let floor = usize::try_from(goal.replicas - limits.unavailable).unwrap();
        let mut model = Model::settled(goal);
        for event in events {
            model.happen(event);
            prop_assert!(model.available() >= floor, "{model:?}");
        }
    }

    #[test]
    fn when_pods_fail_the_controller_does_not_make_it_worse(goal in goals(), events in events(2)) {
        let Strategy::RollingUpdate(limits) = goal.strategy else { return Ok(()) };
        let floor = usize::try_from(goal.replicas - limits.unavailable).unwrap();
        let mut model = Model::settled(goal);
        for event in events {
            // What was decided is carried out before pods fail again: no controller can take back a deletion.
            model.replica_sets_turn();
            let before = model.available();
            model.happen(event);
            model.replica_sets_turn();
            let lost_by_failure = usize::from(matches!(event, Event::Fail(_)));
            prop_assert!(model.available() + lost_by_failure >= floor.min(before), "{model:?}");
        }
    }

    #[test]
    fn with_recreate_templates_never_run_beside_each_other(goal in goals(), events in events(2)) {
        let goal = Goal { strategy: Strategy::Recreate, ..goal };
        let mut model = Model::settled(goal);
        for event in events {
            model.happen(event);
            let occupied = model.sets.iter().filter(|running| !running.pods.is_empty()).count();
            prop_assert!(occupied <= 1, "{model:?}");
        }
    }

    #[test]
    fn a_roll_out_ends_with_all_pods_new(goal in goals(), events in events(2), replicas in 0..12_i32) {
        let mut model = Model::settled(goal);
        events.into_iter().for_each(|event| model.happen(event));
        // Scaled in the middle, as far as the strategy's limits stay the same.
        let limits = goal.limits();
        if let Strategy::RollingUpdate(_) = goal.strategy {
            let limits = Limits { unavailable: limits.unavailable.min(replicas), ..limits };
            let possible = limits.surge > 0 || limits.unavailable > 0 || replicas == 0;
            if possible {
                model.goal = Goal { replicas, strategy: Strategy::RollingUpdate(limits), ..goal };
            }
        }
        model.settle();
        let last = model.sets.last().unwrap();
        prop_assert!(model.current, "{model:?}");
        prop_assert_eq!(last.pods.len(), usize::try_from(model.goal.replicas).unwrap());
        prop_assert_eq!(model.available(), last.pods.len());
        let rest = next_step(&model.goal, &model.observed());
        prop_assert_eq!(rest, Step::Wait);
    }
}
