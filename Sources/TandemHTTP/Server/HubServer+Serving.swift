internal import Tandem

/// From a connection's first task to its end, with rests between.
extension HubServer {
    /// Serves a connection until it ends or is at rest.
    func serve(_ connection: Connection, _ refusal: Admission.Refusal? = nil) {
        // Not by `hub.spawn`, which starts nothing on a hub that stops: `run` is what cancels it and waits for it.
        connection.task = Task(executorPreference: hub) {
            if let refusal {
                await connection.refuse(HubServer.answer(to: refusal))
                self.refusing -= 1
            } else if await connection.run() {
                connection.task = nil
                // Unowned: what holds the connection while it rests is `connections`, and the server waits for all of those.
                return connection.rest { [unowned self, unowned connection] in
                    woken.append(connection)
                    hasWoken.unpark()
                }
            } else {
                self.admission.leave(connection.network)
                self.observer.metrics?.connectionEnded()
            }
            self.ended(connection)
        }
        // One that was at rest when all were cut.
        if hasCut { connection.task?.cancel() }
    }

    /// Serves connections again that were at rest, until there is none left. In a task of its own, because a connection's task
    /// inherits what the caller of `run` has bound to his.
    func serveWoken() async {
        while !hasEnded {
            for connection in woken { serve(connection) }
            woken.removeAll(keepingCapacity: true)
            try? await hasWoken.park()
        }
    }

    private func ended(_ connection: Connection) {
        if connection.givesWay { givingWay -= 1 }
        connection.task = nil
        connections[ObjectIdentifier(connection)] = nil
        connectionEnded.unpark()
        for acceptor in acceptors { acceptor.room.unpark() }
    }
}
