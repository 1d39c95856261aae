internal import CTandem

typealias Fiber = UnsafeMutablePointer<tandem_fiber>

extension Fiber {
    /// What to run on the stack; borrowed from the host frame.
    var body: UnsafeMutablePointer<BorrowedClosure> { closure(at: \.body) }

    /// What the stack asks its host frame to await, in the task that borrowed the stack; borrowed from the frame that asks.
    var operation: UnsafeMutablePointer<BorrowedClosure> { closure(at: \.operation) }

    private func closure(
        at member: KeyPath<tandem_fiber, (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?)>
    ) -> UnsafeMutablePointer<BorrowedClosure> {
        (UnsafeMutableRawPointer(self) + MemoryLayout<tandem_fiber>.offset(of: member)!)
            .assumingMemoryBound(to: BorrowedClosure.self)
    }
}

/// The first Swift frame on every green stack.
func greenEntry(_ fiber: Fiber) { fiber.body.pointee.callBlocking() }

/// The green stack that the caller may park, or an error that says what to do.
func currentFiber(_ call: StaticString, _ file: StaticString, _ line: UInt) throws(TandemError) -> Fiber {
    guard let fiber = tandem_current_fiber() else { throw .misuse(call, file, line) }
    guard fiber.pointee.task == tandem_current_task() else { throw .wrongTask(call, file, line) }
    return fiber
}
