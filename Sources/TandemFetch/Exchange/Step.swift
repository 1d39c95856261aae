/// The outcome of a step toward a result. Steps do not wait; the two loops of `Exchange` do.
enum Step<Value> {
    /// The result.
    case done(Value)
    /// The caller has to park, and then repeat the step.
    case mustWait
}
