/// A handler's style.
enum Style: String, Sendable, CaseIterable { case blocking, async }
