/// What a step towards a result has come to. Steps do not wait; the two loops of `Exchange` do.
enum Step<Value> {
    /// The result.
    case done(Value)
    /// Park, then try again.
    case mustWait
}
