// Package monitor is the websocket-monitor: it tells operators of robots'
// changes over WebSocket, ten thousand of them a server.
//
// It follows the state-manager's changes and keeps nothing, so several may run
// side by side, and one that was away goes on with the next change. What it says
// of a robot is the robot as it is now, not what became of it step by step: a
// watcher who is slow skips states. Heartbeats alone are no changes.
//
// With the flag websocket_monitoring a change is pushed as it happens. Without
// it watchers are told every five seconds what has changed since, as the legacy
// system does.
//
// Robots whose clients know /ws alone may send their heartbeats here as well:
// they go to the state-manager as those of the discovery-service do.
package monitor
