"""A Django site in one file, run by `django_site.py runserver`: `/` answers the pid of the process that serves it."""
import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path

settings.configure(DEBUG=True, SECRET_KEY="of a test", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__)

urlpatterns = [path("", lambda request: HttpResponse(f"{os.getpid()}\n", content_type="text/plain"))]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
