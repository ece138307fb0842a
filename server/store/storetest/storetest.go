// Package storetest is the suite that every store passes.
//
// It names the promise of the socket that each case checks, with the rule behind it. What belongs to
// one engine (locks that wait, triggers, bytes on the disk) is tested beside that engine.
//
// Concurrency: cases run in parallel, each on a store of its own.
package storetest

import (
	"testing"

	"github.com/kvitpay/kvit/server/store"
)

// Run runs the suite. open returns a fresh store that is closed with the test.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	cases := []struct {
		name string
		run  func(t *testing.T, s store.Store)
	}{
		{"Reload_O3_GivesEveryField", reloadGivesEveryField},
		{"Reload_O3_GivesEveryStory", reloadGivesEveryStory},
		{"Reload_GivesFixedLinks", reloadGivesFixedLinks},
		{"Begin_TakesRepeatedKeysInAnyOrder", beginTakesRepeatedKeys},
		{"Begin_EndsWithItsContext", beginEndsWithItsContext},
		{"Rollback_LeavesNoTrace", rollbackLeavesNoTrace},
		{"Tx_EndsOnce", txEndsOnce},
		{"Save_J2_J3_PositionsAndChainUnderConcurrency", positionsAndChain},
		{"Save_RefusesAnUnknownMerchant", saveRefusesUnknownMerchant},
		{"Save_I3_RowsThatExistAreARaceLost", rowsThatExist},
		{"Save_I3_StaleVersionIsARaceLost", staleVersion},
		{"Save_O7_OneLiveAttempt", oneLiveAttempt},
		{"Save_O7_DeathMakesRoomForTheNext", deathMakesRoom},
		{"Save_O8_OneRowPerPayment", oneRowPerPayment},
		{"Save_X1_X2_OneSettlingPaymentOneAutomaticRefund", oneSettlingPayment},
		{"Save_R1_ChecksHold", checksHold},
		{"Merchants_AreIsolated", merchantsAreIsolated},
		{"Order_FillsDetailsAndLink", orderFillsDetailsAndLink},
		{"Link_FillsDetailsAndOrder", linkFillsDetailsAndOrder},
		{"ListOrders_E1_ShowsStateAt", listShowsStateAt},
		{"ListOrders_Filters", listOrdersFilters},
		{"ListOrders_Pages", listOrdersPages},
		{"ListLinks_FiltersAndPages", listLinks},
		{"DueOrders_E1_OldestFirst", dueOrders},
		{"Journal_J2_ReadsWithoutAGap", journalReads},
		{"Journal_J6_BeginsAndEnds", journalEnds},
		{"Journal_J2_FilteredSaysHowFarItLooked", journalFiltered},
		{"Journal_J3_TextsFitTheirEntries", textsFit},
		{"Records_I2_FoundByEveryCaller", recordsFound},
		{"Records_I6_ForgottenByAge", recordsForgotten},
		{"Link_L1_FoundByItsToken", linkFoundByToken},
		{"Payments_O8_OwnedByOneOrder", paymentOwners},
		{"Payments_O10_KeepWhatWasAsked", paymentAsks},
		{"Attempts_C5_LeadToTheirOrder", ordersOfAttempts},
		{"Handoffs_O7_TheFirstStays", handoffsKept},
		{"Refunds_R1_ListedNewestFirst", refundsListed},
		{"Messages_C1_KeptAlone", messagesKept},
		{"Messages_C1_RepeatChangesTheOutcomeOnly", messageRepeats},
		{"Messages_C1_UnseenOneIsARaceLost", messageRaced},
		{"Messages_C5_OrphansWaitForTheirAttempt", orphansWait},
		{"Forged_C1_TheNewestStay", forgedNewest},
		{"Tasks_O6_KeptAlone", tasksKept},
		{"Tasks_O6_ClaimedOldestFirst", tasksClaimed},
		{"Tasks_I5_OneClaimedByItsKey", taskClaimed},
		{"Tasks_O6_NudgedNoSoonerThanTheSpacing", tasksNudged},
		{"Tasks_O6_ClaimedOnce", tasksClaimedOnce},
		{"Pace_C4_TakenOnce", paceTaken},
		{"Installation_C5_OneMark", markKept},
		{"Credentials_A1_KeptListedRevoked", credentialsKept},
		{"Credentials_I2_AddedOnce", credentialsAddedOnce},
		{"Installation_A2_KeysMustFit", keysMustFit},
		{"Installation_A2_OneOfTwoFits", oneOfTwoFits},
		{"Installation_Answers", installationAnswers},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}
