internal import CTandem

typealias Fiber = UnsafeMutablePointer<tandem_fiber>

extension Fiber {
    /// The closure to run on the stack. Owned by the host frame.
    var body: UnsafeMutablePointer<BorrowedClosure> { closure(at: \.body) }

    /// The closure that the host frame must await, in the task that borrowed the stack. Owned by the frame that called
    /// `awaiting`.
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

/// Returns the green stack that the caller may park, or throws an error that says how to fix the call.
func currentFiber(_ call: StaticString, _ file: StaticString, _ line: UInt) throws(TandemError) -> Fiber {
    guard let fiber = tandem_current_fiber() else { throw .misuse(call, file, line) }
    guard fiber.pointee.task == tandem_current_task() else { throw .wrongTask(call, file, line) }
    return fiber
}
