# Copyright 2026 the @serviceworker/std authors. MIT license.

"""A WebKitGTK browser for WebKitWebDriver that, other than MiniBrowser, keeps the
profile in SW_PROFILE and lets the origin in SW_NOTIFIER show notifications."""

import os

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("WebKit2", "4.1")
from gi.repository import Gtk, WebKit2

profile = os.environ["SW_PROFILE"]
context = WebKit2.WebContext.new_with_website_data_manager(
    WebKit2.WebsiteDataManager(
        base_data_directory=profile + "/data",
        base_cache_directory=profile + "/cache",
    )
)
context.set_automation_allowed(True)


def allow(context):
    notifier = os.environ.get("SW_NOTIFIER")
    origins = [WebKit2.SecurityOrigin.new_for_uri(notifier)] if notifier else []
    context.initialize_notification_permissions(origins, [])


def answer(view, query):
    query.finish(WebKit2.PermissionState.GRANTED)
    return True


def open_view(session):
    view = WebKit2.WebView(web_context=context, is_controlled_by_automation=True)
    view.connect("query-permission-state", answer)
    window = Gtk.Window(default_width=1280, default_height=800)
    window.add(view)
    window.show_all()
    view.connect("close", lambda view: window.destroy())
    return view


def start(context, session):
    version = (
        WebKit2.get_major_version(),
        WebKit2.get_minor_version(),
        WebKit2.get_micro_version(),
    )
    info = WebKit2.ApplicationInfo()
    info.set_name("MiniBrowser")
    info.set_version(*version)
    session.set_application_info(info)
    session.connect("create-web-view", open_view)


context.connect("initialize-notification-permissions", allow)
context.connect("automation-started", start)
Gtk.main()
