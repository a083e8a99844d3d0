// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The objects of the platform fit what the modules ask of them, and what would
 * not work does not compile. There is little to run: the file is type-checked.
 */

import { assert } from "@std/assert";
import { runDeno } from "../tools/deno.ts";
import { tempFolder } from "../tools/temp_folder.ts";
import type {
  AcceptClient,
  AcceptClients,
  AcceptEvent,
  AcceptListener,
  AcceptLocks,
} from "../channel/accept.ts";
import type { AskClientsTarget } from "../channel/ask_clients.ts";
import type {
  ClientDataClients,
  ClientDataContainer,
  ClientDataEvent,
  ClientDataWorker,
} from "../channel/client_data.ts";
import type {
  ConnectContainer,
  ConnectLocks,
  ConnectPage,
  ConnectWorker,
} from "../channel/connect.ts";
import type { PostToClientsTarget } from "../channel/post_to_clients.ts";
import type { RequestContainer, RequestTarget } from "../channel/request.ts";
import type { respond, RespondEvent } from "../channel/respond.ts";
import type {
  SharedSourceLocks,
  SharedSourcePage,
} from "../channel/shared_source.ts";
import type { AfterHandledEvent } from "../fetch/after_handled.ts";
import type { BackgroundFetchScope } from "../fetch/background_fetch.ts";
import type { BackgroundFetchClickScope } from "../fetch/background_fetch_click.ts";
import type {
  DrainPreloadResponseEvent,
  EnableNavigationPreloadRegistration,
  UsePreloadResponseEvent,
} from "../fetch/navigation_preload.ts";
import type {
  BroadcastingCache,
  BroadcastUpdateClients,
  BroadcastUpdateEvent,
  ReceiveUpdatesContainer,
} from "../fetch/broadcast_update.ts";
import type {
  CacheURLsCache,
  CacheURLsContainer,
  CacheURLsWorker,
  handleCacheURLs,
  HandleCacheURLsEvent,
  HandleCacheURLsScope,
} from "../fetch/cache_urls.ts";
import type {
  ExpireCacheCache,
  ExpireCacheEvent,
  ExpireCacheStorage,
  ExpireCacheStore,
  ExpiringCache,
} from "../fetch/expire_cache.ts";
import type { PutInCacheCache } from "../fetch/put_in_cache.ts";
import type { StrategyCache, StrategyEvent } from "../fetch/strategies.ts";
import type {
  Precache,
  PrecacheEvent,
  PrecacheManifest,
  PrecacheRestEvent,
  PrecacheScope,
} from "../fetch/precache.ts";
import type { PrecacheManifest as BuiltManifest } from "../fetch/precache_manifest.ts";
import type {
  ApplyUpdateContainer,
  ApplyUpdateLocks,
  ApplyUpdateRegistration,
} from "../lifecycle/apply_update.ts";
import type {
  HoldUpdateContainer,
  HoldUpdateLocks,
} from "../lifecycle/hold_update.ts";
import type {
  ReloadOnUpdateContainer,
  ReloadOnUpdatePage,
} from "../lifecycle/reload_on_update.ts";
import type {
  skipWaiting,
  SkipWaitingScope,
} from "../lifecycle/skip_waiting.ts";
import type { CheckForUpdateRegistration } from "../lifecycle/check_for_update.ts";
import type { RegisterContainer } from "../lifecycle/register.ts";
import type { ReportInstallClients } from "../lifecycle/report_install.ts";
import type {
  WatchUpdatesContainer,
  WatchUpdatesPage,
  WatchUpdatesRegistration,
  WatchUpdatesWorker,
} from "../lifecycle/watch_updates.ts";
import type {
  ActivateOptions,
  ActivateScope,
  DeleteOutdatedCachesScope,
  MatchGenerationsScope,
} from "../lifecycle/activate.ts";
import type {
  ResetOriginRegistration,
  ResetOriginRequest,
  ResetOriginScope,
} from "../lifecycle/reset_origin.ts";
import type { RetireClient, RetireScope } from "../lifecycle/retire.ts";
import type {
  handleUnregister,
  HandleUnregisterEvent,
  HandleUnregisterScope,
  UnregisterRegistration,
  UnregisterWorker,
} from "../lifecycle/unregister.ts";
import type { LaunchScope } from "../lifecycle/launch.ts";
import type {
  createRouter,
  RouterEvent,
  RouterOptions,
  RouterPattern,
} from "../fetch/router.ts";
import type {
  StaticRoutesEvent,
  StaticRoutesOptions,
  StaticRoutesPattern,
} from "../fetch/static_routes.ts";
import type { OwnWorkerScope } from "../lifecycle/own_worker.ts";
import type { PageStateWindow } from "../lifecycle/page_state.ts";
import type { SetLaunchConsumerWindow } from "../lifecycle/set_launch_consumer.ts";
import type {
  ScopeClients,
  ScopeFetchEvent,
  ScopeInstallEvent,
  ScopeLocation,
  ScopeOptions,
  ScopePattern,
} from "../lifecycle/scope.ts";
import type { Badge, BadgeNavigator, BadgeStore } from "../push/badge.ts";
import type {
  FanOutAnswer,
  FanOutKv,
  FanOutSubscription,
} from "../push/fan_out.ts";
import type {
  notificationClick,
  NotificationClickEvent,
  NotificationClickScope,
  NotificationClickStore,
  NotificationTargetStore,
} from "../push/notification_click.ts";
import type {
  notify,
  NotifyEvent,
  NotifyOptions,
  NotifyRegistration,
} from "../push/notify.ts";
import type {
  RenewOptions,
  SubscribeLocks,
  SubscribeRegistration,
  SubscribeStore,
  Subscription,
  SubscriptionJSON,
} from "../push/subscribe.ts";
import type {
  SendAnswer,
  SendOptions,
  SendSubscription,
  SendVapid,
} from "../push/send.ts";
import type { Vapid, VapidKeys } from "../push/vapid.ts";
import type { MemoryStore } from "../storage/memory_store.ts";
import type { Store } from "../storage/open_store.ts";
import type {
  BackgroundSyncRegistration,
  BackgroundSyncScope,
  BackgroundSyncWork,
} from "../sync/background_sync.ts";
import type { Outbox, OutboxLocks, OutboxStore } from "../sync/outbox.ts";
import type {
  PeriodicSync,
  PeriodicSyncLocks,
  PeriodicSyncRegistration,
  PeriodicSyncStore,
} from "../sync/periodic_sync.ts";
import type {
  Schedule,
  ScheduleLocks,
  ScheduleStore,
} from "../sync/schedule.ts";
import type { ComposeEvent } from "../fetch/compose.ts";
import type {
  ContentIndexCache,
  ContentIndexRegistration,
} from "../fetch/content_index.ts";
import type { Mock, MockEvent } from "../fetch/mock.ts";
import type { TransformCache, TransformEvent } from "../fetch/transform.ts";

type Fits<Wanted, Real extends Wanted> = Real;

type WorkerListener = (event: ExtendableMessageEvent) => unknown;
type PageListener = (event: MessageEvent) => unknown;

/** What the platform has. */
export type Good = [
  Fits<RequestTarget, ServiceWorker>,
  Fits<RequestTarget, Client>,
  Fits<RequestTarget, WindowClient>,
  Fits<RequestTarget, MessagePort>,
  Fits<RequestTarget, Worker>,
  Fits<RequestTarget, DedicatedWorkerGlobalScope>,
  Fits<RequestContainer, ServiceWorkerContainer>,
  Fits<RespondEvent, ExtendableMessageEvent>,
  Fits<RespondEvent, MessageEvent>,
  Fits<RouterEvent, FetchEvent>,
  Fits<RouterPattern, URLPattern>,
  Fits<RouterOptions["URLPattern"], typeof URLPattern>,
  Fits<(event: FetchEvent) => unknown, ReturnType<typeof createRouter>>,
  Fits<StaticRoutesPattern, URLPattern>,
  Fits<StaticRoutesOptions["URLPattern"], typeof URLPattern>,
  Fits<StaticRoutesEvent, ExtendableEvent>,
  Fits<StaticRoutesOptions, Omit<RouterOptions, "URLPattern">>,
  Fits<WorkerListener, ReturnType<typeof respond>>,
  Fits<PageListener, ReturnType<typeof respond>>,

  Fits<ConnectContainer, ServiceWorkerContainer>,
  Fits<ConnectWorker, ServiceWorker>,
  Fits<ConnectLocks, LockManager>,
  Fits<ConnectPage, Window>,
  Fits<ConnectPage, typeof globalThis>,
  Fits<AcceptClients, Clients>,
  Fits<AcceptClient, Client>,
  Fits<AcceptClient, WindowClient>,
  Fits<AcceptEvent, ExtendableMessageEvent>,
  Fits<AcceptLocks, LockManager>,
  Fits<WorkerListener, AcceptListener<object>>,

  Fits<PostToClientsTarget<Client>, Clients>,
  Fits<AskClientsTarget<Client>, Clients>,

  Fits<ClientDataContainer, ServiceWorkerContainer>,
  Fits<ClientDataWorker, ServiceWorker>,
  Fits<ClientDataEvent, ExtendableMessageEvent>,
  Fits<ClientDataClients<Client>, Clients>,

  Fits<SharedSourceLocks, LockManager>,
  Fits<SharedSourcePage, Window>,
  Fits<SharedSourcePage, typeof globalThis>,

  Fits<AfterHandledEvent, FetchEvent>,
  Fits<EnableNavigationPreloadRegistration, ServiceWorkerRegistration>,
  Fits<DrainPreloadResponseEvent, FetchEvent>,
  Fits<UsePreloadResponseEvent, FetchEvent>,
  Fits<BackgroundFetchScope, Window & typeof globalThis>,
  Fits<BackgroundFetchScope, ServiceWorkerGlobalScope>,
  Fits<BackgroundFetchClickScope, ServiceWorkerGlobalScope>,
  Fits<BroadcastUpdateClients, Clients>,
  Fits<BroadcastUpdateEvent, FetchEvent>,
  Fits<BroadcastingCache, Cache>,
  Fits<BroadcastingCache, ExpiringCache>,
  Fits<StrategyCache, BroadcastingCache>,
  Fits<ReceiveUpdatesContainer, ServiceWorkerContainer>,
  Fits<CacheURLsContainer, ServiceWorkerContainer>,
  Fits<CacheURLsWorker, ServiceWorker>,
  Fits<CacheURLsCache, Cache>,
  Fits<CacheURLsCache, ExpiringCache>,
  Fits<HandleCacheURLsScope, ServiceWorkerGlobalScope>,
  Fits<HandleCacheURLsEvent, ExtendableMessageEvent>,
  Fits<WorkerListener, ReturnType<typeof handleCacheURLs>>,
  Fits<PutInCacheCache, Cache>,
  Fits<PutInCacheCache, ExpiringCache>,
  Fits<ExpireCacheCache, Cache>,
  Fits<ExpireCacheEvent, FetchEvent>,
  Fits<ExpireCacheStorage, CacheStorage>,
  Fits<ExpireCacheStore, MemoryStore>,
  Fits<ExpireCacheStore, Store>,
  Fits<StrategyCache, Cache>,
  Fits<StrategyCache, ExpiringCache>,
  Fits<StrategyEvent, FetchEvent>,

  Fits<RegisterContainer<ServiceWorkerRegistration>, ServiceWorkerContainer>,
  Fits<CheckForUpdateRegistration, ServiceWorkerRegistration>,
  Fits<ReportInstallClients, Clients>,
  Fits<WatchUpdatesRegistration<ServiceWorker>, ServiceWorkerRegistration>,
  Fits<WatchUpdatesWorker, ServiceWorker>,
  Fits<WatchUpdatesContainer, ServiceWorkerContainer>,
  Fits<WatchUpdatesPage, Window>,
  Fits<WatchUpdatesPage, typeof globalThis>,

  Fits<ApplyUpdateContainer, ServiceWorkerContainer>,
  Fits<ApplyUpdateLocks, LockManager>,
  Fits<ApplyUpdateRegistration, ServiceWorkerRegistration>,
  Fits<HoldUpdateContainer, ServiceWorkerContainer>,
  Fits<HoldUpdateLocks, LockManager>,
  Fits<ReloadOnUpdateContainer, ServiceWorkerContainer>,
  Fits<ReloadOnUpdatePage, Window>,
  Fits<SkipWaitingScope, ServiceWorkerGlobalScope>,
  Fits<WorkerListener, ReturnType<typeof skipWaiting>>,

  Fits<PrecacheScope, ServiceWorkerGlobalScope>,
  Fits<PrecacheEvent, FetchEvent>,
  Fits<PrecacheRestEvent, FetchEvent>,
  Fits<PrecacheManifest, BuiltManifest>,
  Fits<ActivateOptions, Precache>,

  Fits<ActivateScope, ServiceWorkerGlobalScope>,
  Fits<DeleteOutdatedCachesScope, ServiceWorkerGlobalScope>,
  Fits<MatchGenerationsScope, ServiceWorkerGlobalScope>,
  Fits<ResetOriginRegistration, ServiceWorkerRegistration>,
  Fits<ResetOriginRequest, IDBOpenDBRequest>,
  Fits<ResetOriginScope, Window & typeof globalThis>,
  Fits<RetireClient, WindowClient>,
  Fits<RetireScope, ServiceWorkerGlobalScope>,
  Fits<HandleUnregisterEvent, ExtendableMessageEvent>,
  Fits<HandleUnregisterScope, ServiceWorkerGlobalScope>,
  Fits<UnregisterRegistration, ServiceWorkerRegistration>,
  Fits<UnregisterWorker, ServiceWorker>,
  Fits<WorkerListener, ReturnType<typeof handleUnregister>>,

  Fits<LaunchScope<WindowClient>, ServiceWorkerGlobalScope>,
  Fits<OwnWorkerScope<ServiceWorker>, ServiceWorkerGlobalScope>,
  Fits<PageStateWindow, Window>,
  Fits<PageStateWindow, typeof globalThis>,
  Fits<SetLaunchConsumerWindow, Window>,
  Fits<SetLaunchConsumerWindow, typeof globalThis>,

  Fits<ScopeClients, Clients>,
  Fits<ScopeFetchEvent, FetchEvent>,
  Fits<ScopeInstallEvent, ExtendableEvent>,
  Fits<ScopeLocation, Location>,
  Fits<ScopeLocation, WorkerLocation>,
  Fits<ScopeLocation, URL>,
  Fits<ScopeOptions, { URLPattern: typeof URLPattern }>,
  Fits<ScopePattern, URLPattern>,

  Fits<ComposeEvent, FetchEvent>,
  Fits<ContentIndexCache, Cache>,
  Fits<ContentIndexRegistration, ServiceWorkerRegistration>,
  Fits<MockEvent, FetchEvent>,
  Fits<(event: FetchEvent) => unknown, Mock>,
  Fits<typeof fetch, Mock["fetch"]>,
  Fits<TransformCache, Cache>,
  Fits<TransformEvent, FetchEvent>,

  Fits<BadgeNavigator, Navigator>,
  Fits<BadgeNavigator, WorkerNavigator>,
  Fits<BadgeStore, Store>,
  Fits<NotificationClickEvent, NotificationEvent>,
  Fits<NotificationClickScope, ServiceWorkerGlobalScope>,
  Fits<NotificationClickStore, Store>,
  Fits<NotificationTargetStore, Store>,
  Fits<NotificationTargetStore, MemoryStore>,
  Fits<
    (event: NotificationEvent) => unknown,
    ReturnType<typeof notificationClick>
  >,
  Fits<NotifyEvent, PushEvent>,
  Fits<NotifyOptions["appBadge"], Badge>,
  Fits<NotifyRegistration, ServiceWorkerRegistration>,
  Fits<(event: PushEvent) => unknown, ReturnType<typeof notify>>,
  Fits<RenewOptions["event"], PushSubscriptionChangeEvent>,
  Fits<SubscribeLocks, LockManager>,
  Fits<SubscribeRegistration<PushSubscription>, ServiceWorkerRegistration>,
  Fits<SubscribeStore, Store>,
  Fits<Subscription, PushSubscription>,
  Fits<SendSubscription, SubscriptionJSON>,

  Fits<OutboxStore, Store>,
  Fits<OutboxStore, MemoryStore>,
  Fits<OutboxLocks, LockManager>,
  Fits<BackgroundSyncRegistration, ServiceWorkerRegistration>,
  Fits<BackgroundSyncScope, Window>,
  Fits<BackgroundSyncScope, typeof globalThis>,
  Fits<BackgroundSyncScope, ServiceWorkerGlobalScope>,
  Fits<BackgroundSyncWork, Outbox<Request>["flush"]>,
  Fits<BackgroundSyncWork, Schedule["run"]>,
  Fits<EventListener, PeriodicSync>,
  Fits<PeriodicSyncLocks, LockManager>,
  Fits<PeriodicSyncRegistration, ServiceWorkerRegistration>,
  Fits<PeriodicSyncStore, Store>,
  Fits<ScheduleLocks, LockManager>,
  Fits<ScheduleStore, Store>,
  Fits<ScheduleStore, MemoryStore>,

  Fits<SendSubscription, PushSubscriptionJSON>,
  Fits<SendVapid, Vapid>,
  Fits<NonNullable<SendOptions["fetch"]>, typeof fetch>,
];

/** What looks alike. */
export type Bad = [
  // @ts-expect-error it has no caches of its own
  Fits<PrecacheScope, Clients>,
  // @ts-expect-error it has no request
  Fits<PrecacheEvent, ExtendableEvent>,
  // @ts-expect-error the second parameter of a window is an origin
  Fits<RequestTarget, { postMessage(message: unknown, origin: string): void }>,
  // @ts-expect-error it cannot be posted to
  Fits<RequestTarget, ServiceWorkerRegistration>,
  // @ts-expect-error it can be posted to
  Fits<RequestContainer, ServiceWorker>,
  // @ts-expect-error it has no ports
  Fits<RespondEvent, ExtendableEvent>,
  // @ts-expect-error its parameter is not a message
  Fits<(event: FetchEvent) => unknown, ReturnType<typeof respond>>,

  // @ts-expect-error it is one worker, not the container of them
  Fits<ConnectContainer, ServiceWorker>,
  // @ts-expect-error it has no controller
  Fits<ConnectContainer, ServiceWorkerRegistration>,
  // @ts-expect-error it has no state
  Fits<ConnectWorker, Worker>,
  // @ts-expect-error it cannot be kept alive, as in a page
  Fits<AcceptEvent, MessageEvent>,
  // @ts-expect-error it has no id
  Fits<AcceptClient, MessagePort>,
  // @ts-expect-error it is one client, not all of them
  Fits<AcceptClients, Client>,
  // @ts-expect-error it is one client, not all of them
  Fits<PostToClientsTarget<Client>, Client>,
  // @ts-expect-error it is one client, not all of them
  Fits<AskClientsTarget<Client>, Client>,

  // @ts-expect-error it has no request
  Fits<StrategyEvent, ExtendableEvent>,
  // @ts-expect-error it is all caches, not one
  Fits<StrategyCache, CacheStorage>,

  // @ts-expect-error it is one client, not all of them
  Fits<ScopeClients, Client>,
  // @ts-expect-error it is not a request
  Fits<ScopeFetchEvent, ExtendableMessageEvent>,

  // @ts-expect-error it has no controller
  Fits<ClientDataContainer, ServiceWorkerRegistration>,
  // @ts-expect-error it cannot be kept alive, as in a page
  Fits<ClientDataEvent, MessageEvent>,
  // @ts-expect-error it is one client, not all of them
  Fits<ClientDataClients<Client>, Client>,
  // @ts-expect-error it holds no locks
  Fits<SharedSourceLocks, StorageManager>,

  // @ts-expect-error it is not the registration
  Fits<ApplyUpdateRegistration, ServiceWorkerContainer>,
  // @ts-expect-error it has no registration that is ready
  Fits<HoldUpdateContainer, ServiceWorkerRegistration>,
  // @ts-expect-error it has no controller
  Fits<ReloadOnUpdateContainer, ServiceWorkerRegistration>,
  // @ts-expect-error it is a page
  Fits<SkipWaitingScope, Window>,

  // @ts-expect-error it is one client, not all of them
  Fits<ReportInstallClients, Client>,
  // @ts-expect-error it has no workers
  Fits<WatchUpdatesRegistration<ServiceWorker>, ServiceWorkerContainer>,
  // @ts-expect-error it is not registered yet
  Fits<CheckForUpdateRegistration, ServiceWorkerContainer>,

  // @ts-expect-error it has no registration, as a page has none
  Fits<OwnWorkerScope<ServiceWorker>, Window>,
  // @ts-expect-error it is one part of what is needed
  Fits<LaunchScope<WindowClient>, Clients>,
  // @ts-expect-error a worker has no document
  Fits<PageStateWindow, ServiceWorkerGlobalScope>,

  // @ts-expect-error it has no registration, as a page has none
  Fits<ActivateScope, Window>,
  // @ts-expect-error it has no clients, as a page has none
  Fits<RetireScope, Window>,
  // @ts-expect-error it is not one registration
  Fits<UnregisterRegistration, ServiceWorkerContainer>,
  // @ts-expect-error a worker cannot be reloaded
  Fits<ResetOriginScope, ServiceWorkerGlobalScope>,

  // @ts-expect-error it has no scope
  Fits<ContentIndexRegistration, ServiceWorkerContainer>,
  // @ts-expect-error it is not a request
  Fits<MockEvent, ExtendableMessageEvent>,
  // @ts-expect-error nothing can be stored in it
  Fits<TransformCache, CacheStorage>,
  // @ts-expect-error it is not a request
  Fits<TransformEvent, ExtendableEvent>,

  // @ts-expect-error it is not a request
  Fits<RouterEvent, ExtendableEvent>,
  // @ts-expect-error it takes strings that are none
  Fits<RouterPattern, RegExp>,

  // @ts-expect-error it has no registration, as a page has none
  Fits<NotificationClickScope, Window>,
  // @ts-expect-error it has no data
  Fits<NotifyEvent, FetchEvent>,
  // @ts-expect-error it is not registered yet
  Fits<SubscribeRegistration<PushSubscription>, ServiceWorkerContainer>,
  // @ts-expect-error it may be stopped before it is stored
  Fits<SubscribeStore, Map<string, unknown>>,

  // @ts-expect-error it has no transactions
  Fits<OutboxStore, Map<string, unknown>>,
  // @ts-expect-error it is not registered yet
  Fits<BackgroundSyncRegistration, ServiceWorkerContainer>,
  // @ts-expect-error it resolves with something else
  Fits<BackgroundSyncWork, Outbox<Request>["clear"]>,

  // @ts-expect-error they are keys, and sign nothing
  Fits<SendVapid, VapidKeys>,
  // @ts-expect-error it is not a subscription yet
  Fits<SendSubscription, PushManager>,
  Fits<FanOutAnswer, SendAnswer>,
  Fits<FanOutKv, Deno.Kv>,
  Fits<FanOutSubscription, PushSubscriptionJSON>,
];

/** What cannot be told apart: it fits, and never answers, as its doc says. */
export type Unwanted = Fits<RequestTarget, BroadcastChannel>;

/** What is handed a whole `window` or `self`, by the module; in pages or workers. */
const SCOPES: [module: string, type: string, pages: boolean][] = [
  ["fetch/background_fetch.ts", "BackgroundFetchScope", true],
  ["fetch/background_fetch_click.ts", "BackgroundFetchClickScope", false],
  ["push/notification_click.ts", "NotificationClickScope", false],
];
const LIBRARIES = {
  page: ["esnext", "dom", "dom.iterable"],
  worker: ["esnext", "webworker"],
};

// Here, the libraries are together, and what one lacks is in the other.
for (const [where, lib] of Object.entries(LIBRARIES)) {
  Deno.test(`a scope fits with the library of a ${where} alone`, async () => {
    const files: Record<string, string> = {
      "deno.json": JSON.stringify({ compilerOptions: { lib }, lock: false }),
    };
    const lines = where === "worker"
      ? ["declare const self: ServiceWorkerGlobalScope;"]
      : [];
    for (const [index, [module, type, pages]] of SCOPES.entries()) {
      if (where === "page" && !pages) continue;
      const source = new URL(`../${module}`, import.meta.url);
      files[`${index}.ts`] = await Deno.readTextFile(source);
      lines.push(`import type { ${type} } from "./${index}.ts";`);
      const scope = where === "page" ? "window" : "self";
      lines.push(`export const scope${index}: ${type} = ${scope};`);
    }
    files["main.ts"] = lines.join("\n");
    await using folder = await tempFolder(files);
    const { success, stderr } = await runDeno(
      ["check", "-q", "main.ts"],
      folder.path,
    );
    assert(success, stderr);
  });
}
