/// The green threads and tasks of all hubs, grouped by what they wait for: `/debug/threads`.
struct WaitingState: Codable, Sendable {
    struct Group: Codable, Sendable {
        let hub: String
        /// The style of the code that waits: "blocking" or "async".
        let style: String
        let what: String
        let name: String
        let count: Int
        let oldestMilliseconds: Int?
    }

    let greenThreads: Int
    let tasks: Int
    /// The hubs that did not answer.
    let silentHubs: [String]
    let groupCount: Int
    /// Green threads and tasks that are in no group.
    let omitted: Int
    let groups: [Group]
    /// The offset of the next page; nil on the last.
    let next: Int?
}

/// The members of one group: `/debug/threads/rows`.
struct WaitingRows: Codable, Sendable {
    struct Row: Codable, Sendable {
        let thread: Int?
        let descriptor: Int?
        let milliseconds: Int?
    }

    let rows: [Row]
    let next: Int?
}

/// One green thread: `/debug/threads/stack`.
struct WaitingStack: Codable, Sendable {
    let hub: String
    let thread: Int
    let name: String
    let state: String
    let stack: [String]
}
