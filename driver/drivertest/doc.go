// Package drivertest holds the conformance walk that every action passes, on
// the real system: observe, plan, apply, apply again, undo, undo again, undo
// what never ran, drift, a forced undo, and a crash at every boundary inside
// Apply and Undo, each time taken up by a new action value as by a new
// process.
//
//	drivertest.Walk(t, drivertest.Subject{
//		World: func(t testing.TB) drivertest.World {
//			db := postgrestest.Database(t)
//			return drivertest.World{
//				Action:  func() driver.Action { return newChange(db) },
//				Disturb: func(ctx context.Context) error { … },
//			}
//		},
//	})
//
// A boundary is a call of Effect.Mine or Effect.Save. An action that changes
// the world between two boundaries in one atomic call can be crashed only at
// these, which is why each change must be preceded by Mine.
package drivertest
